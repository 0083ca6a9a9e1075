"""The Vision Event: its parts, its limits, and its names on the wire.

Limits and names are those of the Vision Events API:
https://docs.roboflow.com/developer/rest-api/vision-events/create-a-vision-event
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import Self

from vision_event_block.errors import InvalidEvent
from vision_event_block.event_data import EVENT_DATA, EventType, LongText, ShortText

MAX_METADATA_KEYS = 100
MAX_METADATA_KEY_LENGTH = 100
MAX_METADATA_VALUE_LENGTH = 1000
METADATA_KEY_PATTERN = r"^[a-zA-Z0-9_ -]+$"
# Beyond this the server drops every image of the event without an error.
MAX_ANNOTATIONS = 1000
MAX_BATCH = 100
# How far a timestamp may lie in the past and in the future.
OLDEST, NEWEST = timedelta(days=366), timedelta(days=1)

_IDEMPOTENCY_NAMESPACE = uuid5(NAMESPACE_URL, "vision_event_block/idempotency_key")

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MetadataKey = Annotated[str, Field(pattern=METADATA_KEY_PATTERN, max_length=MAX_METADATA_KEY_LENGTH)]
MetadataText = Annotated[str, Field(max_length=MAX_METADATA_VALUE_LENGTH)]
MetadataValue = bool | int | Annotated[float, Field(allow_inf_nan=False)] | MetadataText
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Classification(_Part):
    """A class of the whole image."""

    class_name: str = Field(alias="class")
    confidence: Confidence


class ObjectDetection(Classification):
    """A box: `x`, `y` is its centre, `width`, `height` its full size, in pixels of the input image."""

    x: Coordinate
    y: Coordinate
    width: Coordinate
    height: Coordinate


class InstanceSegmentation(ObjectDetection):
    """A box and the outline of the object in it, at least three points [x, y] in pixels of the input image."""

    points: list[tuple[Coordinate, Coordinate]] = Field(min_length=3)


class Keypoint(_Part):
    """A point of a skeleton; `id` is its index in the skeleton."""

    id: int
    x: Coordinate
    y: Coordinate


class KeypointDetection(ObjectDetection):
    """A box and the keypoints found in it."""

    keypoints: list[Keypoint] = []


class Annotations(_Part):
    """Predictions in the format of the event, in absolute pixels of the input image."""

    object_detections: list[ObjectDetection] | None = Field(default=None, max_length=MAX_ANNOTATIONS)
    classifications: list[Classification] | None = Field(default=None, max_length=MAX_ANNOTATIONS)
    instance_segmentations: list[InstanceSegmentation] | None = Field(
        default=None, max_length=MAX_ANNOTATIONS
    )
    keypoints: list[KeypointDetection] | None = Field(default=None, max_length=MAX_ANNOTATIONS)

    def all(self) -> list[Classification]:
        """Everything that was found."""
        lists = (self.object_detections, self.classifications, self.instance_segmentations, self.keypoints)
        return [found for entries in lists for found in entries or ()]

    def __len__(self) -> int:
        return len(self.all())


class EventImage(Annotations):
    """One image of an event: the picture to show, the original under it, and what was found in the original.

    `source_id` and `input_source_id` are what the destination answered to the uploads. They are
    absent while the event is only on the device.
    """

    source_id: str | None = None
    input_source_id: str | None = None
    label: str | None = None


class VisionEvent(_Part):
    """A timestamped record of something a model saw.

    `event_id` is made by the sender. A destination that gets the same id again replaces the event,
    which is what makes it safe to send an event twice.
    """

    event_id: ShortText = Field(default_factory=lambda: str(uuid4()), min_length=1)
    event_type: EventType
    use_case_id: ShortText = Field(min_length=1)
    timestamp: AwareDatetime
    device_id: ShortText | None = None
    stream_id: ShortText | None = None
    workflow_id: ShortText | None = None
    images: list[EventImage] = []
    display_image_position: int | None = Field(default=None, ge=0)
    event_data: dict[str, str | int] | None = None
    custom_metadata: Metadata | None = None
    comment: LongText | None = None

    @field_validator("display_image_position")
    @classmethod
    def _is_an_image(cls, position: int | None, known: ValidationInfo) -> int | None:
        count = len(known.data.get("images", ()))
        if position is not None and position >= count:
            raise ValueError(f"there are {count} images, counted from 0")
        return position

    @model_validator(mode="after")
    def _data_fits_type(self) -> Self:
        EVENT_DATA[self.event_type].model_validate(self.event_data or {})
        return self

    def check_timestamp(self) -> None:
        """Raises InvalidEvent for a time that the API does not take: over a year ago, or after tomorrow."""
        now = datetime.now(timezone.utc)
        if not now - OLDEST <= self.timestamp <= now + NEWEST:
            raise InvalidEvent(
                f"timestamp: {self.timestamp.isoformat()} is not between a year ago and tomorrow. Is the clock of "
                "the device right?"
            )

    def without_images(self) -> VisionEvent:
        """The event with none of its images and what was found in them."""
        return self.model_copy(update={"images": [], "display_image_position": None})

    def classes(self) -> frozenset[str]:
        """What was found in the images."""
        return frozenset(found.class_name for image in self.images for found in image.all())

    def to_json(self) -> str:
        """The event as the event store keeps it: like `to_wire`, as text."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    def to_wire(self) -> dict[str, Any]:
        """The event as the REST API takes it: camelCase keys, what is absent left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def event_id_of_key(use_case: str, idempotency_key: str) -> str:
    """The one event id that belongs to an idempotency key of a use case, on every device and at every run."""
    return str(uuid5(_IDEMPOTENCY_NAMESPACE, f"{use_case}\n{idempotency_key}"))
