"""What a person chose to see in the list of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import Query

from vision_event_block.event_data import EventType
from vision_event_block.store.listing import Condition, Filter
from vision_event_block.store.model import State

_MAX = 1000
Text = Annotated[str, Query(max_length=_MAX)]


class ListFilter:
    """The choices as the address of the page holds them. What is no choice is as if it were not there."""

    def __init__(
        self,
        state: Text = "",
        event_type: Text = "",
        use_case: Text = "",
        class_name: Text = "",
        device: Text = "",
        since: Text = "",
        until: Text = "",
    ) -> None:
        self.state = state if state in get_args(State) else ""
        self.event_type = event_type if event_type in get_args(EventType) else ""
        self.use_case = use_case
        self.class_name = class_name
        self.device = device.strip()
        self.since = since if _moment(since) else ""
        self.until = until if _moment(until) else ""

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def to_filter(self) -> Filter:
        """The same for the store."""
        return Filter(
            use_case=self.use_case or None,
            states=(self.state,) if self.state else (),  # type: ignore[arg-type]
            event_types=(self.event_type,) if self.event_type else (),
            class_name=self.class_name or None,
            since=_moment(self.since),
            until=_moment(self.until),
            conditions=(Condition(("deviceId",), "contains", self.device),) if self.device else (),
        )

    def address(self, **changes: str | None) -> str:
        """The address of the page with these choices, some of them changed."""
        chosen = {name: value for name, value in {**vars(self), **changes}.items() if value}
        return f"/?{urlencode(chosen)}" if chosen else "/"


def _moment(text: str) -> float | None:
    """Unix time of a moment as a browser's field writes it: without a zone it is that of this device."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp() if text else None
    except (ValueError, OverflowError, OSError):
        return None
