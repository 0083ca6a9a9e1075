"""The event as a device's Event Store takes it (`POST /v2/events`), made of a Vision Event and back.

Names and limits are those that its documentation and the stock blocks show:
https://docs.roboflow.com/deploy/vision-events/send-events
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from vision_event_block.event import (
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE_LENGTH,
    Annotations,
    EventImage,
    Metadata,
    VisionEvent,
)
from vision_event_block.event_data import EventType, ShortText
from vision_event_block.store.model import Role

INLINE_KEYS: dict[Role, str] = {"output": "base64Image", "input": "inputBase64Image"}

# What the documentation limits and the cloud has no field for.
_KEPT_AS_METADATA = ("workflow_version", "image_id")
_NAMES = {
    "use_case_id": "solution",
    "event_type": "event_schema",
    "timestamp": "inference_timestamp",
}


class DeviceImage(Annotations):
    """One image of a device event, its files as base64."""

    base64_image: str | None = None
    input_base64_image: str | None = None
    label: str | None = None

    def inline(self) -> dict[Role, str]:
        """The files that it has, by role."""
        files: dict[Role, str | None] = {"output": self.base64_image, "input": self.input_base64_image}
        return {role: text for role, text in files.items() if text is not None}


class DeviceEvent(BaseModel):
    """An event as a producer on the device sends it. Keys may be snake_case or camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    solution: ShortText | None = None
    workflow_id: ShortText | None = None
    workflow_version: Annotated[str, Field(max_length=64)] | None = None
    inference_timestamp: AwareDatetime
    device_id: ShortText | None = None
    stream_id: ShortText | None = None
    image_id: ShortText | None = None
    event_schema: EventType
    event_data: dict[str, str | int]
    display_image_position: int | None = Field(default=None, ge=0)
    draft: bool | None = False
    images: list[DeviceImage] = []
    custom_metadata: Metadata | None = None

    def to_vision_event(self, event_id: str, default_use_case: str) -> VisionEvent:
        """The Vision Event that it is, without the files of its images.

        Raises:
            pydantic.ValidationError: If the event data do not fit the type.
        """
        return VisionEvent(
            event_id=event_id,
            event_type=self.event_schema,
            use_case_id=self.solution or default_use_case,
            timestamp=self.inference_timestamp,
            device_id=self.device_id,
            stream_id=self.stream_id,
            workflow_id=self.workflow_id,
            images=[_event_image(image) for image in self.images],
            display_image_position=self.display_image_position,
            event_data=self.event_data or None,
            custom_metadata=self._metadata() or None,
        )

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = dict(self.custom_metadata or {})
        for name in _KEPT_AS_METADATA:
            value = getattr(self, name)
            if value is not None and len(metadata) < MAX_METADATA_KEYS:
                metadata.setdefault(name, value)
        return metadata


def device_json(wire: Mapping[str, Any], files: Mapping[tuple[int, Role], bytes]) -> bytes:
    """The JSON to post to a device's Event Store.

    Args:
        wire: The event as the REST API writes it.
        files: Its image files by (position, role).
    """
    event = VisionEvent.model_validate(wire)
    body: dict[str, Any] = {
        _NAMES.get(name, name): value
        for name, value in event.model_dump(mode="json", exclude_none=True).items()
        if name not in ("event_id", "images", "display_image_position", "comment")
    }
    body.setdefault("event_data", {})
    if event.comment:
        # The device API has no field for it.
        body.setdefault("custom_metadata", {}).setdefault(
            "comment", event.comment[:MAX_METADATA_VALUE_LENGTH]
        )
    body["images"] = images = [dict(image) for image in wire.get("images", [])]
    # Base64 needs no escaping, and having every letter of it looked at takes longer than all the rest: it is put
    # in afterwards, for words that nobody else can have written.
    words = {place: uuid4().hex for place in files}
    for (position, role), word in words.items():
        images[position][INLINE_KEYS[role]] = word
    if event.display_image_position is not None:
        body["displayImagePosition"] = event.display_image_position
    text = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    for place, word in words.items():
        text = text.replace(word.encode(), base64.b64encode(files[place]))
    return text


def _event_image(image: DeviceImage) -> EventImage:
    lists = {name: getattr(image, name) for name in Annotations.model_fields}
    return EventImage(label=image.label, **lists)
