"""Every engine of the event store: the tests of this folder run on each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

Make = Callable[[Path, Quota, Callable[[], float]], EventStore]

ENGINES: dict[str, Make] = {
    "sqlite": lambda folder, quota, clock: SQLiteEventStore(folder / "events.db", quota, clock, clock),
}
