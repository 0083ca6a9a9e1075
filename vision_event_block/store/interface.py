"""What every engine of the event store can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from vision_event_block.images import EncodedImage
from vision_event_block.store.listing import Cursor, Filter, Happening, Listed, UseCaseCounts
from vision_event_block.store.model import (
    Circuit,
    Claimed,
    Counts,
    Latencies,
    NewEvent,
    Outcome,
    Quota,
    Recorded,
    Refusal,
    Route,
    State,
    StoredImage,
    Switch,
    UseCase,
)


class EventStore(Protocol):
    """A durable, shared store of events. All methods are safe to call from any thread and process.

    Every method raises `StoreError` and leaves nothing half-done.
    """

    @property
    def path(self) -> Path:
        """Where the store is."""
        ...

    @property
    def quota(self) -> Quota:
        """What it may hold."""
        ...

    @property
    def catalog(self) -> Catalog:
        """What is in the store, to look at."""
        ...

    @property
    def queue(self) -> Queue:
        """What waits to be delivered."""
        ...

    @property
    def use_cases(self) -> UseCases:
        """The use cases that events of this store belong to."""
        ...

    def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Writes all events and their images in one transaction; durable when it returns.

        Raises:
            StoreFull: No room, and no delivered event left to remove.
            UnknownImage: `known_images` names one that is not in the store.
        """
        ...

    def keep_image(self, image: EncodedImage, name: str | None, metadata: str | None) -> None:
        """Keeps an image for the events that will show it, for a week at least."""
        ...

    def refused(self, reason: Refusal, number: int = 1) -> None:
        """Counts events that were not recorded. The count is written by `prune` and `close`."""
        ...

    def image(self, sha256: str) -> StoredImage | None:
        """An image, or None if it is not in the store."""
        ...

    def state(self, event_id: str) -> tuple[State, str] | None:
        """State and reason of an event, or None if it is not in the store."""
        ...

    def counts(self) -> Counts: ...

    def latencies(self) -> Latencies: ...

    def drop(self, event_ids: Iterable[str], use_case: str | None = None) -> list[str]:
        """Removes events for good, whatever their state; returns the ids of those that were there."""
        ...

    def switch_backup(self, is_on: bool) -> None:
        """Turns the backup of every process on this store on or off."""
        ...

    def backup_switch(self) -> Switch: ...

    def salvage(self) -> int:
        """Records again what can be read of a damaged file that was set aside; returns how many events.

        Only what was not delivered, or had this store as its destination.
        """
        ...

    def prune(self) -> int:
        """Removes some delivered events that are too old or in the way; returns how many."""
        ...

    def tidy(self) -> None:
        """Work that the store may put off while somebody waits: call it when nobody does."""
        ...

    def close(self) -> None: ...


class Queue(Protocol):
    """What waits to be delivered. Workers of all processes share it by leases."""

    def claim(self, route: Route, token: str, lease: float, limit: int) -> list[Claimed]:
        """Takes pending events that are due, the oldest and the newest, for `lease` seconds under this token.

        Half of them come from either end, so that a backlog neither waits for ever nor holds up what is new.
        An event waits while another lease is uploading one of its images, so that no image goes twice.
        """
        ...

    def settle(self, token: str, outcomes: Iterable[Outcome]) -> list[int]:
        """Notes outcomes; returns the `seq` of those that this token still held."""
        ...

    def release(self, token: str, reason: str = "") -> None:
        """Gives back all that the token still holds; a reason goes into the history of those events."""
        ...

    def renew(self, token: str, lease: float) -> None:
        """Prolongs the leases of a token: its worker is alive."""
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

    def circuit(self, route: Route) -> Circuit:
        """The state of one route, whether anything is pending on it or not."""
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

    def retry(self, event_id: str | None = None) -> int:
        """Makes a rejected event pending again, or all of them; returns how many."""
        ...

    def hurry(self, event_ids: Iterable[str] | None = None) -> None:
        """Makes pending events due now; without ids all of them, and every route is tried again."""
        ...

    def reroute(self, before: Route, after: Route) -> int:
        """Sends what is pending on one route on another; returns how many events.

        Events that are being delivered just now stay where they are.
        """
        ...


class Catalog(Protocol):
    """What is in the store, to look at. Nothing here writes."""

    def events(self, wanted: Filter = ..., limit: int = 100, after: Cursor | None = None) -> list[Listed]:
        """The events that were captured last, newest first, from after the cursor on."""
        ...

    def event(self, event_id: str) -> Listed | None: ...

    def ids_starting_with(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids of events that begin so."""
        ...

    def by_use_case(self) -> list[UseCaseCounts]:
        """How the events of each use case fare."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the file of the store; it reads all of it."""
        ...

    def history(self, event_id: str) -> list[Happening]:
        """What happened to an event on its way, the latest last."""
        ...

    def over_time(self, since: datetime, until: datetime, steps: int) -> list[dict[str, int]]:
        """Number of events by type in each of `steps` equal parts of the time."""
        ...

    def classes(self, limit: int = 200) -> list[str]:
        """What was found in images, in alphabetical order."""
        ...

    def metadata_types(self, use_case: str, of_images: bool = False) -> dict[str, list[str]]:
        """Types (string, number, boolean) of every metadata key that events of a use case have."""
        ...


class UseCases(Protocol):
    """What events are grouped by. A use case is known as soon as it is added, or an event names it."""

    def all(self, is_active: bool | None = None) -> list[UseCase]:
        """Use cases, those added first at the head."""
        ...

    def get(self, use_case: str) -> UseCase | None: ...

    def add(self, name: str) -> UseCase:
        """Adds one under an id made of its name.

        Raises:
            NameTaken: Another use case has this name.
        """
        ...

    def change(self, use_case: str, name: str | None = None, is_active: bool | None = None) -> UseCase | None:
        """Renames, archives or restores; None if there is no such use case.

        Raises:
            NameTaken: Another use case has this name.
        """
        ...
