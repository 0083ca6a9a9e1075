"""How events of a store are looked for, and what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from vision_event_block.store.model import Role, Route, State

Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "contains"]
Scalar = str | float | int | bool

SOURCE_KEYS: dict[Role, str] = {"output": "sourceId", "input": "inputSourceId"}
"""Where the source ids of an image go in an event of the REST API."""


class Condition(NamedTuple):
    """A comparison with a field of the event as it goes on the wire, by its path there.

    An event without the field fulfils only `neq`.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Scalar


@dataclass(frozen=True)
class Filter:
    """Which events to list: those that fulfil all that is given.

    Attributes:
        since, until: Unix times of capture; `since` is included, `until` is not.
        class_name: Found in one of the images.
        image_conditions: Comparisons with the metadata that one of the images was uploaded with.
    """

    use_case: str | None = None
    states: tuple[State, ...] = ()
    event_types: tuple[str, ...] = ()
    class_name: str | None = None
    since: float | None = None
    until: float | None = None
    conditions: tuple[Condition, ...] = ()
    image_conditions: tuple[Condition, ...] = ()


class Cursor(NamedTuple):
    """The place of an event in a list."""

    captured_at: float
    seq: int


@dataclass(frozen=True)
class Listed:
    """A recorded event.

    Attributes:
        captured_at, recorded_at, settled_at: Unix times; the last is None while it is pending.
        reason: Why it is rejected, or pending still, in the words of the destination.
        attempts: How often delivering this very event has failed.
        body: The event as it goes on the wire, without source ids.
        images: SHA-256 of its pictures by (position, role).
    """

    seq: int
    id: str
    state: State
    event_type: str
    use_case: str
    captured_at: float
    recorded_at: float
    settled_at: float | None
    reason: str
    attempts: int
    route: Route
    body: str
    images: Mapping[tuple[int, Role], str] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """The event as the REST API writes it, its images under their SHA-256 as source ids."""
        event = _read(self.body)
        images = event.get("images", [])
        for (position, role), sha256 in self.images.items():
            if position < len(images):
                images[position][SOURCE_KEYS[role]] = sha256
        return event

    @cached_property
    def parsed(self) -> Mapping[str, Any]:
        """The body, to read from; empty if the record is damaged."""
        return _read(self.body)

    @property
    def cursor(self) -> Cursor:
        """Its place in a list of events."""
        return Cursor(self.captured_at, self.seq)


def _read(body: str) -> dict[str, Any]:
    """What is looked at may be damaged; whoever looks at a hundred events must see the others."""
    try:
        parsed = json.loads(body.encode())
    except ValueError:
        return {}
    if not isinstance(parsed, dict):
        return {}
    images = parsed.get("images", [])
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        del parsed["images"]
    return parsed


@dataclass(frozen=True)
class Happening:
    """Something that happened to an event on its way, once or several times with the same words.

    Attributes:
        what: delivered, rejected, failed, waiting, retried or replaced.
        words: What the destination said, or why.
        first_at, last_at: Unix times.
    """

    what: str
    words: str
    first_at: float
    last_at: float
    times: int


@dataclass(frozen=True)
class UseCaseCounts:
    """How the events of one use case that are in the store fare.

    Attributes:
        last_captured_at: Unix time.
        last_reason: Why the latest rejected event was rejected; empty if none is.
    """

    use_case: str
    pending: int
    delivered: int
    rejected: int
    last_captured_at: float
    last_reason: str
