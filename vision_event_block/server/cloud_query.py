"""What a query of the Vision Events API asks the store for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vision_event_block.event_query import EventQuery, MetadataComparison
from vision_event_block.store.listing import Condition, Filter, Operator

_SIGNS: dict[str, Operator] = {
    "eq": "eq", "neq": "neq", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "contains": "contains",
    "=": "eq", "!=": "neq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte",
}  # fmt: skip


def filter_of(query: EventQuery) -> Filter:
    """The query as the store takes it."""
    types = [*(query.event_types or []), *([query.event_type] if query.event_type else [])]
    return Filter(
        use_case=query.use_case_id,
        event_types=tuple(types),
        since=query.start_time.timestamp() if query.start_time else None,
        # The store leaves the end out, and people mean to have it in.
        until=query.end_time.timestamp() + 1e-6 if query.end_time else None,
        conditions=(
            *_ids(query),
            *_metadata(query.custom_metadata_filters, "customMetadata"),
            *_data(query),
        ),
        image_conditions=tuple(_metadata(query.image_metadata_filters)),
    )


def _ids(query: EventQuery) -> Iterator[Condition]:
    places = {
        ("deviceId",): query.device_id,
        ("streamId",): query.stream_id,
        ("workflowId",): query.workflow_id,
        ("eventData", "externalId"): query.external_id,
    }
    return (Condition(path, found.operator, found.value) for path, found in places.items() if found)


def _metadata(filters: Iterable[MetadataComparison], *path: str) -> Iterator[Condition]:
    return (Condition((*path, f.field), _SIGNS[f.operator], _typed(f.value, f.type)) for f in filters)


def _data(query: EventQuery) -> Iterator[Condition]:
    return (
        Condition(("eventData", f.column), _SIGNS[f.operator], f.value) for f in query.event_field_filters
    )


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
