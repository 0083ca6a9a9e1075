"""The body of `POST /vision-events/query`.

https://docs.roboflow.com/developer/rest-api/vision-events/query-vision-events
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from vision_event_block.event import MetadataKey
from vision_event_block.event_data import EVENT_DATA, EventType, ShortText, keys_of

DEFAULT_LIMIT, MAX_LIMIT = 50, 1000

OperatorName = Literal["eq", "neq", "gt", "gte", "lt", "lte", "contains", "=", "!=", ">", ">=", "<", "<="]
Value = Annotated[str, Field(max_length=1000)] | bool | Annotated[float, Field(allow_inf_nan=False)]
_COLUMNS = frozenset(key for event_type in EVENT_DATA for key in keys_of(event_type))


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Comparison(_Part):
    """A comparison with an id."""

    operator: Literal["eq", "neq"] = "eq"
    value: Annotated[str, Field(max_length=1000)]


class MetadataComparison(_Part):
    """A comparison with a key of the metadata of an event or of an image; `type` says how to read the value."""

    field: MetadataKey
    operator: OperatorName = "eq"
    value: Value
    type: Literal["string", "number", "boolean"] | None = None


class DataComparison(_Part):
    """A comparison with a key of the event data."""

    column: Literal[tuple(sorted(_COLUMNS))]  # type: ignore[valid-type]
    operator: OperatorName = "eq"
    value: Value


class EventQuery(_Part):
    """Which events of a use case to answer, newest first."""

    use_case_id: ShortText = Field(min_length=1)
    event_type: EventType | None = None
    event_types: list[EventType] | None = Field(default=None, max_length=20)
    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None
    device_id: Comparison | None = None
    stream_id: Comparison | None = None
    workflow_id: Comparison | None = None
    external_id: Comparison | None = None
    custom_metadata_filters: list[MetadataComparison] = Field(default=[], max_length=20)
    image_metadata_filters: list[MetadataComparison] = Field(default=[], max_length=20)
    event_field_filters: list[DataComparison] = Field(default=[], max_length=20)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=200)
