"""The event store in one SQLite file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision_event_block.errors import StoreFull
from vision_event_block.store.database import PAGE_SIZE, Database
from vision_event_block.store.model import (
    Circuit,
    Claimed,
    Counts,
    Listed,
    NewEvent,
    Outcome,
    Recorded,
    Role,
    Route,
    State,
)
from vision_event_block.store.queries import load_queries

_SQL = load_queries()
# No lease and no retry of ours lies further ahead, so what does comes from a wrong clock.
_HORIZON = 3600.0
_PRUNED_AT_ONCE = 100
_HIGH_WATER, _LOW_WATER = 0.9, 0.8
_DAY = 86_400.0
_FREE_PAGES_KEPT = 64 * 1024 * 1024 // PAGE_SIZE


class SQLiteEventStore:
    """Implements `EventStore`; see there for what each method promises.

    What `record` wrote survives the death of the process because the operating system has it,
    and a power cut because the log was synced before the method returned (as far as the
    disk tells the truth about its cache).
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        retention_days: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(path, max_bytes)
        self._retention = retention_days * _DAY
        self._clock = clock

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    def record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Writes all events and their images in one transaction.

        Raises:
            StoreFull: No room, and no delivered event left to remove.
            StoreError: The store cannot be used; nothing was written.
        """
        size = sum(
            len(event.body) + sum(len(image.data) for image in event.images.values()) for event in events
        )
        while True:
            try:
                self._database.require_room(size)
                return self._record(events)
            except StoreFull:
                if not self._make_room(size):
                    raise

    def _record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        now = self._clock()
        with self._database.transaction() as connection:
            recorded = [self._insert(connection, event, now) for event in events]
            new = sum(answer.is_new for answer in recorded)
            _count(connection, recorded=new, pending=new)
        return recorded

    def _insert(self, connection: sqlite3.Connection, event: NewEvent, now: float) -> Recorded:
        row = {
            "id": event.id, "destination": event.route.destination, "credential": event.route.credential,
            "event_type": event.event_type, "use_case": event.use_case,
            "captured_at": event.captured_at, "now": now, "body": event.body,
        }  # fmt: skip
        cursor = connection.execute(_SQL["insert_event"], row)
        if cursor.rowcount == 0:
            (state, _) = connection.execute(_SQL["state"], {"id": event.id}).fetchone()
            return Recorded(event.id, state, is_new=False)
        seq = cursor.lastrowid
        for (position, role), image in event.images.items():
            connection.execute(
                _SQL["insert_image"],
                {
                    "sha256": image.sha256, "content_type": image.content_type,
                    "width": image.width, "height": image.height, "data": image.data,
                },
            )  # fmt: skip
            connection.execute(
                _SQL["insert_event_image"],
                {"seq": seq, "position": position, "role": role, "sha256": image.sha256},
            )
        return Recorded(event.id, "pending", is_new=True)

    def claim(self, route: Route, token: str, lease: float, limit: int) -> list[Claimed]:
        now = self._clock()
        arguments = {
            **_of(route),
            "token": token,
            "now": now,
            "lease": lease,
            "limit": limit,
            "horizon": _HORIZON,
        }
        with self._database.transaction() as connection:
            rows = sorted(connection.execute(_SQL["claim"], arguments).fetchall())
            return [self._claimed(connection, row) for row in rows]

    def _claimed(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> Claimed:
        seq, event_id, use_case, body, attempts = row
        images = connection.execute(_SQL["images_of"], {"seq": seq}).fetchall()
        return Claimed(seq, event_id, use_case, body, attempts, _by_place(images))

    def settle(self, token: str, outcomes: Iterable[Outcome]) -> list[int]:
        now = self._clock()
        held: list[Outcome] = []
        with self._database.transaction() as connection:
            for outcome in outcomes:
                row = {
                    "seq": outcome.seq, "token": token, "state": outcome.state, "reason": outcome.reason,
                    "due_in": outcome.due_in, "counts": int(outcome.counts), "now": now,
                }  # fmt: skip
                if connection.execute(_SQL["settle"], row).rowcount:
                    held.append(outcome)
            delivered = sum(outcome.state == "delivered" for outcome in held)
            rejected = sum(outcome.state == "rejected" for outcome in held)
            _count(connection, delivered=delivered, rejected=rejected, pending=-delivered - rejected)
        return [outcome.seq for outcome in held]

    def release(self, token: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(_SQL["release"], {"token": token})

    def images_of(self, event_id: str) -> dict[tuple[int, Role], str]:
        with self._database.reading() as connection:
            return _by_place(connection.execute(_SQL["images_of_id"], {"id": event_id}).fetchall())

    def renew(self, token: str, lease: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(_SQL["renew"], {"token": token, "until": self._clock() + lease})

    def image(self, sha256: str) -> tuple[bytes, str] | None:
        with self._database.reading() as connection:
            row = connection.execute(_SQL["image"], {"sha256": sha256}).fetchone()
        return None if row is None else (row[0], row[1])

    def source_ids(self, route: Route, digests: Iterable[str]) -> dict[str, str]:
        found = {}
        with self._database.reading() as connection:
            for sha256 in digests:
                row = connection.execute(_SQL["source_id"], {**_of(route), "sha256": sha256}).fetchone()
                if row is not None:
                    found[sha256] = row[0]
        return found

    def uploaded(self, route: Route, source_ids: Mapping[str, str]) -> None:
        with self._database.transaction() as connection:
            for sha256, source_id in source_ids.items():
                connection.execute(_SQL["uploaded"], {**_of(route), "sha256": sha256, "source_id": source_id})

    def routes(self) -> dict[Route, Circuit]:
        with self._database.reading() as connection:
            rows = connection.execute(_SQL["routes"]).fetchall()
        return {Route(row[0], row[1]): Circuit(*row[2:]) for row in rows}

    def trip(self, route: Route, failures: int, open_for: float, reason: str) -> None:
        row = {**_of(route), "failures": failures, "open_until": self._clock() + open_for, "reason": reason}
        with self._database.transaction() as connection:
            connection.execute(_SQL["trip"], row)

    def close_circuit(self, route: Route) -> None:
        with self._database.transaction() as connection:
            connection.execute(_SQL["close_circuit"], _of(route))

    def next_due(self, route: Route) -> float | None:
        now = self._clock()
        with self._database.reading() as connection:
            arguments = {**_of(route), "now": now, "horizon": _HORIZON}
            (due,) = connection.execute(_SQL["next_due"], arguments).fetchone()
        return None if due is None else max(due - now, 0.0)

    def state(self, event_id: str) -> tuple[State, str] | None:
        with self._database.reading() as connection:
            row = connection.execute(_SQL["state"], {"id": event_id}).fetchone()
        return None if row is None else (row[0], row[1])

    def counts(self) -> Counts:
        with self._database.reading() as connection:
            tally = dict(connection.execute(_SQL["tally"]).fetchall())
            oldest = connection.execute(_SQL["oldest_pending"]).fetchone()
            used = _used_pages(connection) * PAGE_SIZE
        return Counts(**tally, oldest_pending=oldest[0] if oldest else None, bytes=used)

    def events(self, limit: int = 100) -> list[Listed]:
        with self._database.reading() as connection:
            return [Listed(*row) for row in connection.execute(_SQL["events"], {"limit": limit}).fetchall()]

    def prune(self) -> int:
        limits = {"before": self._clock() - self._retention, "limit": _PRUNED_AT_ONCE}
        with self._database.transaction() as connection:
            dropped = _delete(connection, "prunable_by_age", limits)
            used = _used_pages(connection)
        while used > self._database.max_pages * _HIGH_WATER:
            more = self._drop_delivered(_PRUNED_AT_ONCE)
            dropped += more
            with self._database.reading() as connection:
                used = _used_pages(connection)
            if not more or used < self._database.max_pages * _LOW_WATER:
                break
        with self._database.reading() as connection:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free > _FREE_PAGES_KEPT:
            self._database.shrink()
        return dropped

    def _make_room(self, size: int) -> int:
        """Removes some delivered events for good; returns how many."""
        try:
            dropped = self._drop_delivered(_PRUNED_AT_ONCE)
        except StoreFull:  # deleting writes first; now the reserve is there to write in
            dropped = self._drop_delivered(_PRUNED_AT_ONCE)
        # Under the quota free pages are used again; a full disk needs them back.
        if dropped and not self._database.ballast.has_room_beside(size):
            self._database.shrink()
        return dropped

    def _drop_delivered(self, limit: int) -> int:
        with self._database.transaction() as connection:
            return _delete(connection, "prunable", {"limit": limit})

    def tidy(self) -> None:
        self._database.tidy()

    def close(self) -> None:
        self._database.close()


def _of(route: Route) -> dict[str, str]:
    return {"destination": route.destination, "credential": route.credential}


def _by_place(rows: Iterable[tuple[int, Role, str]]) -> dict[tuple[int, Role], str]:
    return {(position, role): sha256 for position, role, sha256 in rows}


def _count(connection: sqlite3.Connection, **changes: int) -> None:
    for name, number in changes.items():
        if number:
            connection.execute(_SQL["count"], {"name": name, "number": number})


def _used_pages(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages) - int(free)


def _delete(connection: sqlite3.Connection, query: str, arguments: Mapping[str, Any]) -> int:
    """Deletes the events that the query names, with the images that nobody else uses."""
    chosen = [row[0] for row in connection.execute(_SQL[query], arguments).fetchall()]
    for seq in chosen:
        images = connection.execute(_SQL["images_of"], {"seq": seq}).fetchall()
        connection.execute(_SQL["delete_event"], {"seq": seq})
        for _, _, sha256 in images:
            connection.execute(_SQL["delete_orphans"], {"sha256": sha256})
    return len(chosen)
