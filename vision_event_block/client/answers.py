"""What the Vision Events API answers. Keys that nobody knows yet are kept, those it may leave out are optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import AliasChoices, Field

from vision_event_block.errors import DeliveryError
from vision_event_block.transport import Answer


class UploadedImage(Answer):
    """The answer to an upload: `source_id` names the image in events."""

    source_id: str
    url: str | None = None


class CreatedEvent(Answer):
    """The answer to an event. `created` may be false or absent when the id replaced an earlier event."""

    event_id: str | None = None
    created: bool | int | None = None


class CreatedBatch(Answer):
    """The answer to a batch. Fewer `created` than sent means that some were refused without saying why."""

    created: int | None = None
    event_ids: list[str] | None = None


@dataclass(frozen=True)
class CreatedEvents:
    """What became of any number of events.

    Attributes:
        created: Ids of those that the destination has now, in the order in which it confirmed them.
        failed: Why each of the others is not there, by its id.
    """

    created: list[str] = field(default_factory=list)
    failed: Mapping[str, DeliveryError] = field(default_factory=dict)


class FoundKeypoint(Answer):
    """A point of a skeleton."""

    id: int | None = None
    x: float
    y: float


class FoundAnnotation(Answer):
    """A class, box, outline or skeleton; `x`, `y` is the centre of the box, in pixels of the input image."""

    class_name: str = Field("unknown", alias="class")
    confidence: float | None = None
    x: float | None = None
    y: float | None = None
    width: float | None = None
    height: float | None = None
    points: list[tuple[float, float]] | None = None
    keypoints: list[FoundKeypoint] | None = None


class FoundImage(Answer):
    """An image of an event that was found."""

    source_id: str | None = None
    input_source_id: str | None = None
    label: str | None = None
    object_detections: list[FoundAnnotation] = Field(default=[])
    classifications: list[FoundAnnotation] = Field(default=[])
    instance_segmentations: list[FoundAnnotation] = Field(default=[])
    keypoints: list[FoundAnnotation] = Field(default=[])


class FoundEvent(Answer):
    """An event as the destination has it."""

    event_id: str
    event_type: str
    use_case_id: str | None = None
    timestamp: datetime
    device_id: str | None = None
    stream_id: str | None = None
    workflow_id: str | None = None
    images: list[FoundImage] = Field(default=[])
    display_image_position: int | None = None
    event_data: dict[str, Any] = Field(default={})
    custom_metadata: dict[str, Any] = Field(default={})
    comment: str | None = None


class EventPage(Answer):
    """Events, newest first, and where to go on.

    Attributes:
        lookback_days: For how many days the destination answers events.
    """

    events: list[FoundEvent]
    next_cursor: str | None = None
    has_more: bool | None = None
    lookback_days: int | None = None


class DeletedEvents(Answer):
    """How many events were removed for good, and which ids were not there."""

    deleted: int = 0
    not_found: list[str] = Field(default=[])


class UseCase(Answer):
    """What events are grouped by."""

    id: str
    name: str | None = None
    status: str | None = None
    workspace_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class UseCaseList(Answer):
    """Use cases; earlier servers called them solutions."""

    use_cases: list[UseCase] = Field(validation_alias=AliasChoices("useCases", "use_cases", "solutions"))
    lookback_days: int | None = None


class Done(Answer):
    """It was done."""

    success: bool | None = None


class FieldTypes(Answer):
    """Types that a metadata key had so far: `string`, `number`, `boolean`."""

    types: list[str] = Field(default=[])


class MetadataSchema(Answer):
    """Metadata keys of the events or images of a use case, with their types."""

    use_case_id: str | None = None
    fields: dict[str, FieldTypes] = Field(default={})
