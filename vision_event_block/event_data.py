"""The typed part of an event: what `eventData` may say, by event type.

Names are those of the Vision Events API; a device's Event Store uses the same and forbids others.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

MAX_ID_LENGTH = 256
MAX_EXTERNAL_ID_LENGTH = 1000
MAX_TEXT_LENGTH = 10_000

EventType = Literal["quality_check", "inventory_count", "safety_alert", "custom", "operator_feedback"]
QualityResult = Literal["pass", "fail"]
Severity = Literal["low", "medium", "high"]
Feedback = Literal["correct", "incorrect", "inconclusive"]

ShortText = Annotated[str, Field(max_length=MAX_ID_LENGTH)]
LongText = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
ExternalId = Annotated[str, Field(max_length=MAX_EXTERNAL_ID_LENGTH)]


class EventData(BaseModel):
    """Base of the data of every type. Nothing in it is required."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class QualityCheck(EventData):
    """An inspection that passed or failed."""

    result: QualityResult | None = None
    external_id: ExternalId | None = None


class InventoryCount(EventData):
    """A number of items at a location."""

    location: LongText | None = None
    item_count: int | None = None
    item_type: LongText | None = None
    external_id: ExternalId | None = None


class SafetyAlert(EventData):
    """A violation with its type and severity."""

    alert_type: LongText | None = None
    severity: Severity | None = None
    description: LongText | None = None
    external_id: ExternalId | None = None


class Custom(EventData):
    """Anything else, with a text of your own."""

    value: LongText | None = None
    external_id: ExternalId | None = None


class OperatorFeedback(EventData):
    """A person's judgement of an earlier event."""

    related_event_id: ShortText | None = None
    feedback: Feedback | None = None


EVENT_DATA: dict[EventType, type[EventData]] = {
    "quality_check": QualityCheck,
    "inventory_count": InventoryCount,
    "safety_alert": SafetyAlert,
    "custom": Custom,
    "operator_feedback": OperatorFeedback,
}


def keys_of(event_type: EventType) -> list[str]:
    """Keys that `eventData` of a type may have, in the order in which the API documents them."""
    return [field.alias or name for name, field in EVENT_DATA[event_type].model_fields.items()]
