"""Events that come from outside, on their way into the store; the same for both contracts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import NewEvent, Role, Route

# https://docs.roboflow.com/developer/rest-api/vision-events/create-a-vision-event
_OLDEST = timedelta(days=366)
_NEWEST = timedelta(days=1)


def check_time(timestamp: datetime) -> None:
    """Raises InvalidEvent for a time that the API does not take: over a year ago, or after tomorrow."""
    now = datetime.now(timezone.utc)
    if not now - _OLDEST <= timestamp <= now + _NEWEST:
        raise InvalidEvent(
            f"timestamp: {timestamp.isoformat()} is not between a year ago and tomorrow. Is the clock of the device right?"
        )


def replacing(
    event: VisionEvent, route: Route, files: Mapping[tuple[int, Role], EncodedImage] | None = None
) -> NewEvent:
    """An event that replaces one of its id. Its images come along, or were uploaded before."""
    known: dict[tuple[int, Role], str] = {}
    images = []
    for position, image in enumerate(event.images):
        sources: dict[Role, str | None] = {"output": image.source_id, "input": image.input_source_id}
        known |= {(position, role): source for role, source in sources.items() if source is not None}
        images.append(image.model_copy(update={"source_id": None, "input_source_id": None}))
    return NewEvent.of(event.model_copy(update={"images": images}), route, files or {}, known, replaces=True)
