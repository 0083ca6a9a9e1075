"""What a recorded event consists of, read from the store."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from vision_event_block.bundle import Bundle
from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Role


def images_of(
    store: EventStore, digests: Mapping[tuple[int, Role], str]
) -> dict[tuple[int, Role], EncodedImage]:
    """The image files of an event by (position, role).

    Raises:
        InvalidEvent: If one is missing.
    """
    files: dict[tuple[int, Role], EncodedImage] = {}
    for place, sha256 in digests.items():
        image = store.image(sha256)
        if image is None:
            raise InvalidEvent(f"its image {sha256} is missing in the event store")
        files[place] = EncodedImage(image.data, image.content_type, image.width, image.height, sha256)
    return files


def bundle_of(store: EventStore, body: str, digests: Mapping[tuple[int, Role], str]) -> Bundle:
    """A recorded event as a bundle.

    Raises:
        InvalidEvent: If its record is damaged.
    """
    try:
        event = VisionEvent.model_validate_json(body)
    except ValidationError as error:
        raise InvalidEvent(f"its record in the event store is damaged: {error}") from error
    return Bundle(event, images_of(store, digests))
