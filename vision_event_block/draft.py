"""What a caller knows about an event, and the event that is made of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from vision_event_block import mending
from vision_event_block.annotations import annotate, codes
from vision_event_block.errors import InvalidEvent
from vision_event_block.event import Annotations, EventImage, VisionEvent, event_id_of_key
from vision_event_block.event_data import MAX_ID_LENGTH
from vision_event_block.frames import Frame
from vision_event_block.images import INPUT_QUALITY, OUTPUT_QUALITY, EncodedImage
from vision_event_block.store.model import Lease, NewEvent, Role, Route

logger = logging.getLogger("vision_event_block")

# What the stock block writes.
LABEL = "workflow"
_QUALITIES: dict[Role, int] = {"input": INPUT_QUALITY, "output": OUTPUT_QUALITY}


@dataclass(frozen=True)
class Draft:
    """Everything an event is made of, as it came.

    Attributes:
        use_case: Id of the use case; it must exist at the destination.
        event_type: One of the five types; another one becomes `custom`.
        image: The original, in whose pixels the predictions are.
        output_image: The picture to show, such as a visualization.
        predictions: `sv.Detections` or a classification dictionary.
        data: Values for `eventData` by wire key; those that the type does not have are ignored.
        captured_at: When the frame was taken; None means now.
        idempotency_key: Two drafts of a use case with the same key are the same event.
    """

    use_case: Any
    event_type: Any
    image: Frame | None = None
    output_image: Frame | None = None
    predictions: Any = None
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[Any, Any] | None = None
    captured_at: datetime | None = None
    device_id: Any = None
    stream_id: Any = None
    workflow_id: Any = None
    idempotency_key: Any = None


@dataclass
class Composition:
    """An event that is ready but for the encoding of its images.

    Attributes:
        notes: What was mended, one sentence each.
    """

    event: VisionEvent
    frames: dict[Role, Frame]
    notes: list[str]

    def held_bytes(self) -> int:
        """Memory that waits with it."""
        return sum(frame.held_bytes for frame in self.frames.values())

    def keep(self) -> None:
        """Makes it independent of the pixels of the run."""
        for frame in self.frames.values():
            frame.keep()

    def qualities(self) -> list[tuple[Frame, int]]:
        """Each frame with the quality that it is encoded at; one that is both is so for its better use."""
        return [
            (frame, max(_QUALITIES[role] for role in self.frames if self.frames[role] is frame))
            for frame in self.frames.values()
        ]

    def encode(self) -> dict[tuple[int, Role], EncodedImage]:
        """The image files. One that cannot be encoded is left out: the event counts for more."""
        images: dict[tuple[int, Role], EncodedImage] = {}
        for role, frame in self.frames.items():
            try:
                images[0, role] = frame.encode(_QUALITIES[role])
            except InvalidEvent as error:
                self.notes.append(f"The {role} image was left out: {error}")
                logger.warning("The %s image of event %s was left out: %s", role, self.event.event_id, error)
        return images

    def new_event(self, route: Route, lease: Lease | None = None) -> NewEvent:
        """The event as the store takes it, its images encoded."""
        images = self.encode()
        event = self.event if images else self.event.without_images()
        return NewEvent.of(event, route, images, lease=lease)


def compose(draft: Draft, device_id: str | None = None) -> Composition:
    """Makes the event of a draft, mending what can be mended.

    Raises:
        InvalidEvent: If the use case is missing or impossible.
    """
    notes: list[str] = []
    use_case = mending.use_case(draft.use_case)
    data = dict(draft.data)
    kind = mending.event_type(draft.event_type, data, notes)
    frames = _frames(draft)
    size = next(((frame.width, frame.height) for frame in (draft.image, draft.output_image) if frame), None)
    annotations, texts = _annotate(draft.predictions, size, notes)
    key = mending.text("idempotency_key", draft.idempotency_key, 10_000, notes)
    identity = {"event_id": event_id_of_key(use_case, key)} if key else {}
    event = VisionEvent(
        **identity,
        event_type=kind,
        use_case_id=use_case,
        timestamp=mending.timestamp(draft.captured_at, datetime.now(timezone.utc), notes),
        device_id=mending.text("device_id", draft.device_id or device_id, MAX_ID_LENGTH, notes),
        stream_id=mending.text("stream_id", draft.stream_id, MAX_ID_LENGTH, notes),
        workflow_id=mending.text("workflow_id", draft.workflow_id, MAX_ID_LENGTH, notes),
        images=[_image(annotations)] if frames else [],
        display_image_position=0 if frames else None,
        event_data=mending.event_data(kind, data, notes) or None,
        custom_metadata=mending.metadata({**texts, **(draft.metadata or {})}, notes) or None,
    )
    if not frames and len(annotations):
        notes.append("There is no image, so the predictions were not attached.")
    return Composition(event, frames, notes)


def _annotate(
    predictions: Any, size: tuple[int, int] | None, notes: list[str]
) -> tuple[Annotations, Mapping[str, str]]:
    try:
        return annotate(predictions, size, notes), codes(predictions)
    except Exception as error:  # noqa: BLE001 - predictions come from anybody's block; the event counts for more
        notes.append(
            f"The predictions could not be converted ({type(error).__name__}: {error}) and were left out."
        )
        return Annotations(), {}


def _frames(draft: Draft) -> dict[Role, Frame]:
    frames: dict[Role, Frame] = {}
    # The original first: a frame that is both is encoded for its better use.
    if draft.image is not None:
        frames["input"] = draft.image
    if draft.output_image is not None:
        frames["output"] = draft.output_image
    return frames


def _image(annotations: Annotations) -> EventImage:
    lists = {name: getattr(annotations, name) for name in type(annotations).model_fields}
    return EventImage.model_construct(label=LABEL, **lists)
