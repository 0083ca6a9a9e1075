"""Makes values that arrive at run time fit the limits of the event, and says what was done.

An event on a production line happens once. A value that breaks a limit is therefore mended
wherever an honest mend exists, and each mend adds one sentence to `notes`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

from vision_event_block.errors import InvalidEvent
from vision_event_block.event import MAX_METADATA_KEY_LENGTH, MAX_METADATA_KEYS, MAX_METADATA_VALUE_LENGTH
from vision_event_block.event_data import (
    MAX_EXTERNAL_ID_LENGTH,
    MAX_ID_LENGTH,
    MAX_TEXT_LENGTH,
    EventType,
    Feedback,
    QualityResult,
    Severity,
    keys_of,
)

Notes = list[str]

_SHOWN = 60
_ILLEGAL_IN_KEY = re.compile(r"[^a-zA-Z0-9_ -]")
_CHOICES = {
    "result": get_args(QualityResult),
    "severity": get_args(Severity),
    "feedback": get_args(Feedback),
}
_TRUTH = {"result": {True: "pass", False: "fail"}, "feedback": {True: "correct", False: "incorrect"}}
_LENGTHS = {"externalId": MAX_EXTERNAL_ID_LENGTH, "relatedEventId": MAX_ID_LENGTH}


def shown(value: Any) -> str:
    """The value as an error message shows it: quoted and short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def plain(value: Any) -> Any:
    """A numpy scalar as the Python value it holds; anything else as it is."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    return value


def writable(string: str) -> str:
    """The string without lone surrogates, which neither the store nor JSON on the wire can hold."""
    return string.encode("utf-8", "replace").decode("utf-8")


def truth(value: Any) -> bool:
    """Whether the value means true: also "false", "no", "off" and "0" mean false, as people write them."""
    value = plain(value)
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "no", "off", "0")
    return bool(value)


def text(name: str, value: Any, limit: int, notes: Notes) -> str | None:
    """The value as a string of at most `limit` characters, or None for nothing."""
    value = plain(value)
    if value is None or value == "":
        return None
    string = value if isinstance(value, str) else str(value)
    string = writable(string)
    if len(string) > limit:
        notes.append(f"`{name}` was cut from {len(string)} to {limit} characters.")
        string = string[:limit]
    return string


def use_case(value: Any) -> str:
    """The use case id.

    Raises:
        InvalidEvent: If it is empty or too long. Cutting it would name another use case.
    """
    string = text("solution", value, 10 * MAX_TEXT_LENGTH, [])
    if string is None or not string.strip():
        raise InvalidEvent(
            f"`solution` (the use case) is {shown(value)}: name the use case that the event belongs to."
        )
    if len(string) > MAX_ID_LENGTH:
        raise InvalidEvent(
            f"`solution` (the use case) has {len(string)} characters, at most {MAX_ID_LENGTH} are allowed: {shown(value)}."
        )
    return string


def event_type(value: Any, fields: dict[str, Any], notes: Notes) -> EventType:
    """The event type; an unknown one is kept as the value of a custom event."""
    name = str(plain(value)).strip()
    for known in get_args(EventType):
        if name.lower().replace(" ", "_").replace("-", "_") == known:
            return known  # type: ignore[no-any-return]
    notes.append(
        f"`event_type` {shown(value)} is none of {', '.join(get_args(EventType))}: recorded as custom, with it as the value."
    )
    if fields.get("value") in (None, ""):
        fields["value"] = name
    return "custom"


def event_data(kind: EventType, fields: Mapping[str, Any], notes: Notes) -> dict[str, str | int]:
    """The data that an event of this type carries, from all the fields that the step knows."""
    data: dict[str, str | int] = {}
    for key in keys_of(kind):
        value = plain(fields.get(key))
        mended: str | int | None
        if value is None:
            continue
        if key in _CHOICES:
            mended = _choice(key, value, notes)
        elif key == "itemCount":
            mended = _count(value, notes)
        else:
            mended = text(key, value, _LENGTHS.get(key, MAX_TEXT_LENGTH), notes)
        if mended is not None:
            data[key] = mended
    return data


def _choice(key: str, value: Any, notes: Notes) -> str | None:
    if isinstance(value, bool) and key in _TRUTH:
        return _TRUTH[key][value]
    name = str(value).strip().lower()
    if name in _CHOICES[key]:
        return name
    notes.append(f"`{key}` {shown(value)} is none of {', '.join(_CHOICES[key])}: left out.")
    return None


def _count(value: Any, notes: Notes) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        notes.append(f"`itemCount` {shown(value)} is no number: left out.")
        return None


def metadata(values: Mapping[Any, Any] | None, notes: Notes) -> dict[str, bool | int | float | str]:
    """Custom metadata within its limits: at most 100 keys, values of text, number or truth."""
    mended: dict[str, bool | int | float | str] = {}
    left_out = 0
    for raw_key, raw_value in (values or {}).items():
        value = _metadata_value(str(raw_key), raw_value, notes)
        if value is None:
            continue
        if len(mended) == MAX_METADATA_KEYS:
            left_out += 1
            continue
        mended[_metadata_key(str(raw_key), mended, notes)] = value
    if left_out:
        notes.append(f"Custom metadata has more than {MAX_METADATA_KEYS} keys: {left_out} left out.")
    return mended


def _metadata_key(raw: str, taken: Mapping[str, Any], notes: Notes) -> str:
    key = _ILLEGAL_IN_KEY.sub("_", raw)[:MAX_METADATA_KEY_LENGTH] or "_"
    number = 2
    while key in taken:
        suffix = f"_{number}"
        key = key[: MAX_METADATA_KEY_LENGTH - len(suffix)] + suffix
        number += 1
    if key != raw:
        notes.append(
            f"Metadata key {shown(raw)} became {key!r}: letters, digits, `_`, `-` and spaces, 100 at most."
        )
    return key


def _metadata_value(key: str, value: Any, notes: Notes) -> bool | int | float | str | None:
    value = plain(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        notes.append(f"Metadata {shown(key)} is {value}, which JSON cannot say: sent as text.")
        return str(value)
    if not isinstance(value, str):
        notes.append(f"Metadata {shown(key)} is a {type(value).__name__}: sent as text.")
        value = _as_text(value)
    return text(f"custom_metadata.{key[:_SHOWN]}", value, MAX_METADATA_VALUE_LENGTH, notes) or ""


def _as_text(value: Any) -> str:
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        value = tolist()
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def timestamp(captured_at: datetime | None, now: datetime, notes: Notes) -> datetime:
    """When the frame was captured, in UTC, or `now` where that is unknown or not acceptable.

    The API takes one year ago to tomorrow. A naive time is local time, as cameras report it.
    """
    if captured_at is None:
        return now
    try:
        moment = captured_at.astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None or not now - timedelta(days=364) < moment < now + timedelta(days=1):
        notes.append(
            f"Capture time {captured_at.isoformat()} is not within the last year: the time of recording is used."
        )
        return now
    return moment
