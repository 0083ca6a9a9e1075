"""The body of `POST /vision-events/query`, and what it asks the store for.

https://docs.roboflow.com/developer/rest-api/vision-events/query-vision-events
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from vision_event_block.event import MetadataKey
from vision_event_block.event_data import EVENT_DATA, EventType, ShortText, keys_of
from vision_event_block.store.listing import Condition, Filter, Operator

DEFAULT_LIMIT, MAX_LIMIT = 50, 1000

_SIGNS: dict[str, Operator] = {
    "eq": "eq", "neq": "neq", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "contains": "contains",
    "=": "eq", "!=": "neq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte",
}  # fmt: skip
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
    """A comparison with a key of the custom metadata; `type` says how to read the value."""

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
    event_field_filters: list[DataComparison] = Field(default=[], max_length=20)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=200)

    def to_filter(self) -> Filter:
        """The same for the store."""
        types = [*(self.event_types or []), *([self.event_type] if self.event_type else [])]
        return Filter(
            use_case=self.use_case_id,
            event_types=tuple(types),
            since=self.start_time.timestamp() if self.start_time else None,
            # The store leaves the end out, and people mean to have it in.
            until=self.end_time.timestamp() + 1e-6 if self.end_time else None,
            conditions=(*self._ids(), *self._metadata(), *self._data()),
        )

    def _ids(self) -> list[Condition]:
        places = {
            ("deviceId",): self.device_id,
            ("streamId",): self.stream_id,
            ("workflowId",): self.workflow_id,
            ("eventData", "externalId"): self.external_id,
        }
        return [Condition(path, found.operator, found.value) for path, found in places.items() if found]

    def _metadata(self) -> list[Condition]:
        return [
            Condition(("customMetadata", f.field), _SIGNS[f.operator], _typed(f.value, f.type))
            for f in self.custom_metadata_filters
        ]

    def _data(self) -> list[Condition]:
        return [
            Condition(("eventData", f.column), _SIGNS[f.operator], f.value) for f in self.event_field_filters
        ]


def _typed(value: Any, kind: str | None) -> Any:
    """The value as the type that the filter names, where it can be read so."""
    if kind == "string":
        return str(value)
    if kind == "boolean" and isinstance(value, str):
        return value.strip().lower() == "true"
    if kind == "number" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
