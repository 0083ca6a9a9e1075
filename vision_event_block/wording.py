"""How values read, on a page and in a terminal."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from vision_event_block.store.listing import Listed

_SHOWN_CLASSES = 3
_UNITS = ("B", "KB", "MB", "GB", "TB")


def moment(seconds: float) -> str:
    """A Unix time in the zone of this device."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def zone() -> str:
    """The name of the zone of this device."""
    return datetime.now().astimezone().tzname() or "its local time"


def iso(seconds: float) -> str:
    """A Unix time for programs."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat()


def size(number: float) -> str:
    """Bytes in the unit that people would use."""
    for unit in _UNITS[:-1]:
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """A span of time in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def number_of(number: int, thing: str) -> str:
    """`1 event`, `2 events`."""
    return f"{number} {thing}{'s' * (number != 1)}"


def words(name: str) -> str:
    """`quality_check` as people write it."""
    return name.replace("_", " ").capitalize()


def headline(event: Listed) -> str:
    """What an event says first."""
    data = event.parsed.get("eventData") or {}
    parts = {
        "quality_check": [data.get("result", "")],
        "inventory_count": [data.get("itemCount", ""), data.get("itemType", ""), data.get("location", "")],
        "safety_alert": [data.get("severity", ""), data.get("alertType", ""), data.get("description", "")],
        "custom": [data.get("value", "")],
        "operator_feedback": [data.get("feedback", "")],
    }[event.event_type]
    return " · ".join(str(part) for part in parts if part != "")


def verdict(event: Listed) -> str:
    """Whether an event is good or bad news: `good`, `bad`, or neither."""
    data = event.parsed.get("eventData") or {}
    if data.get("result") == "fail" or data.get("severity") == "high" or data.get("feedback") == "incorrect":
        return "bad"
    return "good" if data.get("result") == "pass" or data.get("feedback") == "correct" else ""


def found(event: Listed) -> str:
    """What was found in the images of an event, the most frequent first."""
    images = event.parsed.get("images", [])
    lists = (entries for image in images for entries in image.values() if isinstance(entries, list))
    names = Counter(entry["class"] for entries in lists for entry in entries)
    shown = [f"{number} {name}" for name, number in names.most_common(_SHOWN_CLASSES)]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
