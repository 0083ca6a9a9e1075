"""What goes into an event store and what comes out of it; the same for every engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from vision_event_block.images import EncodedImage

State = Literal["pending", "delivered", "rejected"]
Role = Literal["output", "input"]

NO_CREDENTIAL = ""


@dataclass(frozen=True)
class Route:
    """Where events go and with whose key: backup works route by route.

    Attributes:
        destination: `cloud`, or the base URL of another Event Store.
        credential: Fingerprint of the key that the events were recorded with, or
            `NO_CREDENTIAL` for events that wait for the key of this device.
    """

    destination: str
    credential: str = NO_CREDENTIAL


@dataclass(frozen=True)
class NewEvent:
    """An event to record.

    Attributes:
        body: The event as JSON, as it goes on the wire but without source ids.
        images: The pictures by (position in `images` of the body, role).
        captured_at, use_case, event_type: Copied from the body, to be listed by.
    """

    id: str
    route: Route
    event_type: str
    use_case: str
    captured_at: float
    body: str
    images: Mapping[tuple[int, Role], EncodedImage] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """The answer to a recorded event. `is_new` is false for an id that was in the store already."""

    id: str
    state: State
    is_new: bool


@dataclass(frozen=True)
class Claimed:
    """A pending event in the hands of one worker until its lease ends.

    Attributes:
        attempts: How often delivering this very event has failed.
        images: SHA-256 of the pictures by (position, role).
    """

    seq: int
    id: str
    use_case: str
    body: str
    attempts: int
    images: Mapping[tuple[int, Role], str]


@dataclass(frozen=True)
class Outcome:
    """What became of a claimed event.

    Attributes:
        state: `delivered`, `rejected`, or `pending` to try again.
        reason: The destination's words, for people. Empty when delivered.
        due_in: Seconds until the next attempt of a pending event.
        counts: Whether a failed attempt counts against this event (and not against its route).
    """

    seq: int
    state: State
    reason: str = ""
    due_in: float = 0.0
    counts: bool = False


@dataclass(frozen=True)
class Circuit:
    """Whether a route may be used now; shared by all processes, so that they do not hammer a dead link.

    Attributes:
        failures: Failed requests in a row.
        open_until: Unix time before which nobody tries; 0 when all is well.
        reason: What went wrong last, for people.
    """

    failures: int = 0
    open_until: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Listed:
    """A recorded event as a list shows it."""

    id: str
    state: State
    event_type: str
    use_case: str
    captured_at: float
    recorded_at: float
    reason: str
    body: str
    images: int


@dataclass(frozen=True)
class Counts:
    """Accounting of the store: recorded = pending + delivered + rejected + dropped, always."""

    recorded: int
    pending: int
    delivered: int
    rejected: int
    dropped: int
    oldest_pending: float | None
    bytes: int


class EventStore(Protocol):
    """A durable, shared store of events. All methods are safe to call from any thread and process.

    Every method raises `StoreError` and leaves nothing half-done.
    """

    def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Writes all events and their images in one transaction; durable when it returns."""
        ...

    def claim(self, route: Route, token: str, lease: float, limit: int) -> list[Claimed]:
        """Takes pending events that are due, oldest first, for `lease` seconds under this token.

        An event waits while another lease is uploading one of its images, so that no image goes twice.
        """
        ...

    def settle(self, token: str, outcomes: Iterable[Outcome]) -> list[int]:
        """Notes outcomes; returns the `seq` of those that this token still held."""
        ...

    def release(self, token: str) -> None:
        """Gives back all that the token still holds, as it was."""
        ...

    def images_of(self, event_id: str) -> dict[tuple[int, Role], str]:
        """SHA-256 of the pictures of an event by (position, role)."""
        ...

    def renew(self, token: str, lease: float) -> None:
        """Prolongs the leases of a token: its worker is alive."""
        ...

    def image(self, sha256: str) -> tuple[bytes, str] | None:
        """Bytes and content type of a recorded image, or None if it is not in the store."""
        ...

    def source_ids(self, route: Route, digests: Iterable[str]) -> dict[str, str]:
        """Source ids of those images that were uploaded on this route before."""
        ...

    def uploaded(self, route: Route, source_ids: Mapping[str, str]) -> None:
        """Remembers uploads by SHA-256, so that they are never repeated."""
        ...

    def routes(self) -> dict[Route, Circuit]:
        """Routes that have pending events, with the state of each."""
        ...

    def trip(self, route: Route, failures: int, open_for: float, reason: str) -> None:
        """Opens the circuit of a route for `open_for` seconds."""
        ...

    def close_circuit(self, route: Route) -> None:
        """All is well again on this route."""
        ...

    def next_due(self, route: Route) -> float | None:
        """Seconds until the next event of the route may be claimed, or None if nothing is pending."""
        ...

    def state(self, event_id: str) -> tuple[State, str] | None:
        """State and reason of an event, or None if it is not in the store."""
        ...

    def counts(self) -> Counts: ...

    def events(self, limit: int = 100) -> list[Listed]:
        """The events recorded last, newest first."""
        ...

    def prune(self) -> int:
        """Removes some delivered events that are too old or in the way; returns how many."""
        ...

    def tidy(self) -> None:
        """Work that the store may put off while somebody waits: call it when nobody does."""
        ...

    def close(self) -> None: ...
