"""Keeps a store within its quota: what is delivered goes first, what is pending never."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from vision_event_block.errors import StoreFull
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite.database import PAGE_SIZE, Database
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.rows import images_of

_AT_ONCE = 100
# Nobody waits longer than for one of these; what is left is done the next time.
_ROUNDS = 50
_HIGH_WATER, _LOW_WATER = 0.9, 0.8
# Where there is no room, hardly a byte may be left to the dead.
_NEARLY_ALL = 0.9
_DAY = 86_400.0
_FREE_PAGES_KEPT = 64 * 1024 * 1024 // PAGE_SIZE


class Pruning:
    """The quota of one store."""

    def __init__(self, database: Database, quota: Quota, clock: Callable[[], float]) -> None:
        self._database = database
        self._quota = quota
        self._clock = clock

    def check_quota(self, connection: sqlite3.Connection) -> None:
        """Raises StoreFull if the transaction leaves more bytes or events than there may be."""
        if used_bytes(connection) > self._database.max_pages * PAGE_SIZE:
            raise self._database.full("its quota is used up")
        (kept,) = connection.execute(SQL["kept"]).fetchone()
        if kept > self._quota.records:
            raise StoreFull(
                f"The event store {self._database.path} is full ({self._quota.records} events, none of which may "
                "go). Raise VISION_EVENTS_MAX_RECORDS, or let the backup deliver what is pending."
            )

    def make_room(self, size: int) -> int:
        """Frees what can be freed: some delivered events, for good, and segments. Returns how many, 0 if nothing."""
        try:
            dropped = self._free()
        except StoreFull:  # deleting writes first; now the reserve is there to write in
            dropped = self._free()
        # Under the quota free pages are used again; a full disk needs them back.
        if dropped and not self._database.ballast.has_room_beside(size):
            self._database.shrink()
        return dropped

    def _free(self) -> int:
        return self._delete("prunable", {"limit": _AT_ONCE}) + self._database.free_segments(_NEARLY_ALL)

    def prune(self) -> int:
        """Removes what is too old, and some of the oldest where the store is nearly full."""
        before = self._clock() - self._quota.days * _DAY
        dropped = self._repeat("prunable_by_age", {"limit": _AT_ONCE, "before": before})
        full = self._database.max_pages * PAGE_SIZE
        if self._used() > full * _HIGH_WATER:
            enough = full * _LOW_WATER
            dropped += self._repeat("prunable", {"limit": _AT_ONCE}, until=lambda: self._used() < enough)
        with self._database.transaction() as connection:
            connection.execute(SQL["delete_unclaimed"], {"now": self._clock(), "limit": _AT_ONCE})
            connection.execute(SQL["settle_claimed"], {"now": self._clock()})
        self._database.free_segments()
        with self._database.reading() as connection:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free > _FREE_PAGES_KEPT:
            self._database.shrink()
        return dropped

    def _repeat(
        self, query: str, arguments: dict[str, float], until: Callable[[], bool] = lambda: False
    ) -> int:
        dropped = 0
        for _ in range(_ROUNDS):
            more = self._delete(query, arguments)
            dropped += more
            self._database.free_segments()
            if more < _AT_ONCE or until():
                break
        return dropped

    def _delete(self, query: str, arguments: dict[str, float]) -> int:
        with self._database.transaction() as connection:
            chosen = [row[0] for row in connection.execute(SQL[query], arguments).fetchall()]
            delete(connection, chosen, self._clock())
        return len(chosen)

    def _used(self) -> int:
        with self._database.reading() as connection:
            return used_bytes(connection)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Room that events and images take, in the database and beside it."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (in_segments,) = connection.execute(SQL["segment_bytes"]).fetchone()
    return (int(pages) - int(free)) * PAGE_SIZE + int(in_segments)


def delete(connection: sqlite3.Connection, events: Iterable[int], now: float) -> None:
    """Deletes events by `seq`, with the images that nobody else uses."""
    for seq in events:
        images = set(images_of(connection, seq).values())
        connection.execute(SQL["delete_event"], {"seq": seq})
        connection.execute(SQL["count"], {"name": "kept", "number": -1})
        for sha256 in images:
            connection.execute(SQL["delete_orphans"], {"sha256": sha256, "now": now})
