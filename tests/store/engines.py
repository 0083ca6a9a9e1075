"""Every engine of the event store: the tests of this folder run on each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.driver import small_segments
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

Make = Callable[[Path, Quota, Callable[[], float]], EventStore]


def _in_segments(folder: Path, quota: Quota, clock: Callable[[], float]) -> EventStore:
    """Every image counts as large, and a few fill a segment."""
    with small_segments():
        return SQLiteEventStore(folder / "events.db", quota, clock, clock)


ENGINES: dict[str, Make] = {
    "sqlite with segments": _in_segments,
    "sqlite": lambda folder, quota, clock: SQLiteEventStore(folder / "events.db", quota, clock, clock),
}
