"""What a step definition may say: checked once, when the Workflow is compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, TypeAdapter, ValidationError

from vision_event_block.event import MAX_METADATA_KEY_LENGTH, MAX_METADATA_KEYS, METADATA_KEY_PATTERN
from vision_event_block.event_data import MAX_ID_LENGTH, EventType, Feedback, QualityResult, Severity
from vision_event_block.mending import shown
from vision_event_block.recorder import WaitFor

_NotNegative = Annotated[StrictInt | StrictFloat, Field(ge=0, allow_inf_nan=False)]
_Text = StrictStr | None
_LITERALS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(kind)
    for name, kind in {
        "event_type": EventType,
        "solution": Annotated[StrictStr, Field(min_length=1, max_length=MAX_ID_LENGTH)],
        "qc_result": QualityResult | None,
        "item_count": int | None,
        "severity": Severity | None,
        "feedback": Feedback | None,
        "wait_for": WaitFor | None,
        "cooldown_seconds": _NotNegative,
        "fire_and_forget": StrictBool,
        "disable_sink": StrictBool,
        "write_to_event_store": StrictBool,
        "event_store_url": Annotated[StrictStr, Field(pattern=r"^https?://[^/]")],
        **dict.fromkeys(
            (
                "external_id", "location", "item_type", "alert_type", "alert_description", "custom_value",
                "related_event_id", "device_id", "stream_id", "workflow_id", "idempotency_key",
            ),
            _Text,
        ),
    }.items()
}  # fmt: skip


def check_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with `use_case` under its stock name.

    Raises:
        ValueError: If a literal is wrong; the message names the field, the value and what is allowed.
    """
    checked = dict(definition)
    if "use_case" in checked:
        use_case = checked.pop("use_case")
        if checked.setdefault("solution", use_case) != use_case:
            raise ValueError("`use_case` and `solution` are two names of one field: give only one of them.")
    for name, allowed in _LITERALS.items():
        if name in checked and not _is_selector(checked[name]):
            _check(name, checked[name], allowed)
    _check_metadata(checked.get("custom_metadata"))
    return checked


def _check(name: str, value: Any, allowed: TypeAdapter[Any]) -> None:
    try:
        allowed.validate_python(value)
    except ValidationError as error:
        reasons = "; ".join(dict.fromkeys(detail["msg"] for detail in error.errors()))
        raise ValueError(f"`{name}` is {shown(value)}: {reasons}.") from None


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, Mapping):
        return
    if len(metadata) > MAX_METADATA_KEYS:
        raise ValueError(
            f"`custom_metadata` has {len(metadata)} keys: at most {MAX_METADATA_KEYS} are allowed."
        )
    for key in metadata:
        if (
            not isinstance(key, str)
            or len(key) > MAX_METADATA_KEY_LENGTH
            or not re.fullmatch(METADATA_KEY_PATTERN, key)
        ):
            raise ValueError(
                f"`custom_metadata` has the key {shown(key)}: use letters, digits, `_`, `-` and spaces, "
                f"at most {MAX_METADATA_KEY_LENGTH} characters."
            )


def _is_selector(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("$")
