"""The event store in one SQLite file: recording, images, accounting."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vision_event_block.errors import StoreCorrupt, StoreError, StoreFull, UnknownImage
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import (
    HERE,
    Claimed,
    Counts,
    Latencies,
    NewEvent,
    Quota,
    Recorded,
    Refusal,
    State,
    StoredImage,
    Switch,
)
from vision_event_block.store.sqlite import machine
from vision_event_block.store.sqlite.catalog import SQLiteCatalog
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.images import SQLiteImages
from vision_event_block.store.sqlite.pruning import Pruning, delete, used_bytes
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.queue import LATENCY_BOUNDS, SQLiteQueue
from vision_event_block.store.sqlite.rows import columns_of, count, happened, images_of
from vision_event_block.store.sqlite.salvage import readable_events, set_aside_files, set_saved
from vision_event_block.store.sqlite.use_cases import SQLiteUseCases

logger = logging.getLogger("vision_event_block")

# How long an uploaded image waits for its event.
_UPLOADS_KEPT = 7 * 86_400.0
_REFUSED = "refused:"


class SQLiteEventStore:
    """Implements `EventStore`; see there for what each method promises.

    What `record` wrote survives the death of the process because the operating system has it,
    and a power cut because the log was synced before the method returned (as far as the
    disk tells the truth about its cache).
    """

    def __init__(
        self,
        path: Path,
        quota: Quota,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = machine.ticks,
    ) -> None:
        self.quota = quota
        self._database = Database(path, quota.bytes)
        self._pruning = Pruning(self._database, quota, clock)
        # With connections of its own: whoever looks for long holds up nobody who records.
        self._browsed = Database(path, quota.bytes)
        self.catalog = SQLiteCatalog(self._browsed)
        self.use_cases = SQLiteUseCases(self._database, clock)
        self.queue = SQLiteQueue(self._database, clock, ticks, machine.this_boot())
        self._clock = clock
        self._images = SQLiteImages(self._database)
        self._refused: Counter[Refusal] = Counter()
        self._refused_lock = threading.Lock()

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
        was_damaged = False
        while True:
            try:
                self._database.require_room(size)
                return self._record(events)
            except StoreFull:
                if not self._pruning.make_room(size):
                    raise
            except StoreCorrupt:
                if was_damaged:
                    raise
                was_damaged = True  # it was set aside, and these go into a new one

    def _record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        now = self._clock()
        with self._database.transaction() as connection:
            recorded = [self._insert(connection, event, now, len(events)) for event in events]
            self._pruning.check_quota(connection)
        for event in events:
            for image in event.images.values():
                self._images.recorded(image)
        return recorded

    def _insert(self, connection: sqlite3.Connection, event: NewEvent, now: float, together: int) -> Recorded:
        state: State = "delivered" if event.route.destination == HERE else "pending"
        row = {
            "id": event.id, **columns_of(event.route), "state": state,
            "event_type": event.event_type, "use_case": event.use_case, "captured_at": event.captured_at,
            "now": now, "settled_at": now if state == "delivered" else None, "body": event.body,
        }  # fmt: skip
        cursor = connection.execute(SQL["insert_event"], row)
        seq = cursor.lastrowid
        is_new = cursor.rowcount > 0
        comes_back = False
        if is_new:
            count(connection, recorded=1, kept=1, **{state: 1})
        else:
            seq, before, body, destination = connection.execute(SQL["met"], {"id": event.id}).fetchone()
            is_same = body == event.body and images_of(connection, seq) == event.digests()
            # A step whose Event Store turns out to be this very store: the event goes on from here.
            comes_back = is_same and before == "pending" and destination != event.route.destination
            may_replace = event.replaces and (before == "rejected" or not is_same)
            if not may_replace and not comes_back:
                return Recorded(event.id, before, is_new=False, is_same=is_same)
            connection.execute(SQL["replace_event"], row)
            count(connection, **{before: -1})
            count(connection, **{state: 1})
            happened(connection, seq, "replaced", "", now)
        images_are_new = self._attach(connection, event, seq, now, together)
        claimed = None
        if event.lease and is_new and images_are_new and state == "pending" and seq is not None:
            self.queue.grant(connection, seq, event.lease)
            claimed = Claimed(seq, event.id, event.use_case, event.body, 0, event.digests())
        return Recorded(event.id, state, is_new, is_same=is_new or comes_back, claimed=claimed)

    def _attach(
        self, connection: sqlite3.Connection, event: NewEvent, seq: int | None, now: float, together: int
    ) -> bool:
        """Everything of an event that is not in its own row, in place of what was there.

        Returns whether none of its images was in the store before.
        """
        before = set(images_of(connection, seq).values())
        for table in ("delete_event_images", "delete_classes"):
            connection.execute(SQL[table], {"seq": seq})
        new = {
            image.sha256
            for image in event.images.values()
            if self._images.insert(connection, image, together)
        }
        for (position, role), sha256 in event.digests().items():
            if connection.execute(SQL["has_image"], {"sha256": sha256}).fetchone() is None:
                raise UnknownImage(
                    f"The image {sha256} was never uploaded, or too long ago: upload it first."
                )
            connection.execute(
                SQL["insert_event_image"],
                {"seq": seq, "position": position, "role": role, "sha256": sha256},
            )
        for class_name in event.classes:
            connection.execute(SQL["insert_class"], {"class": class_name, "seq": seq})
        for sha256 in before:
            connection.execute(SQL["delete_orphans"], {"sha256": sha256, "now": now})
        connection.execute(SQL["use_case_met"], {"use_case": event.use_case, "now": now})
        return new == set(event.digests().values())

    def keep_image(self, image: EncodedImage, name: str | None, metadata: str | None) -> None:
        keep_until = self._clock() + _UPLOADS_KEPT
        told = {"sha256": image.sha256, "name": name, "metadata": metadata, "keep_until": keep_until}
        while True:
            try:
                self._database.require_room(len(image.data))
                with self._database.transaction() as connection:
                    self._images.insert(connection, image)
                    connection.execute(SQL["upload_image"], told)
                    self._pruning.check_quota(connection)
                return
            except StoreFull:
                if not self._pruning.make_room(len(image.data)):
                    raise

    def refused(self, reason: Refusal, number: int = 1) -> None:
        with self._refused_lock:
            self._refused[reason] += number

    def image(self, sha256: str) -> StoredImage | None:
        return self._images.get(sha256)

    def state(self, event_id: str) -> tuple[State, str] | None:
        with self._database.reading() as connection:
            row = connection.execute(SQL["state"], {"id": event_id}).fetchone()
        return None if row is None else (row[0], row[1])

    def counts(self) -> Counts:
        with self._database.reading() as connection:
            tally = dict(connection.execute(SQL["tally"]).fetchall())
            oldest = connection.execute(SQL["oldest_pending"]).fetchone()
            used = used_bytes(connection)
        with self._refused_lock:
            refused: Counter[str] = Counter({str(reason): n for reason, n in self._refused.items()})
        for name in list(tally):
            if name.startswith(_REFUSED):
                refused[name.removeprefix(_REFUSED)] += tally.pop(name)
        return Counts(**tally, oldest_pending=oldest[0] if oldest else None, bytes=used, refused=refused)

    def latencies(self) -> Latencies:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["latencies"]).fetchall()
        counts = dict.fromkeys(LATENCY_BOUNDS, 0) | {seconds: number for seconds, number, _ in rows}
        return Latencies(counts, sum(total for _, _, total in rows))

    def drop(self, event_ids: Iterable[str], use_case: str | None = None) -> list[str]:
        dropped = []
        with self._database.transaction() as connection:
            for event_id in dict.fromkeys(event_ids):
                named = {"id": event_id, "use_case": use_case}
                found = connection.execute(SQL["dropped"], named).fetchone()
                if found is None:
                    continue
                seq, state = found
                delete(connection, [seq], self._clock())
                dropped.append(event_id)
                # What had arrived stays counted as delivered, as when it is pruned.
                if state != "delivered":
                    count(connection, dropped=1, **{state: -1})
        self._database.free_segments()
        return dropped

    def switch_backup(self, is_on: bool) -> None:
        row = {"name": "backup", "is_on": int(is_on), "now": self._clock()}
        with self._database.transaction() as connection:
            connection.execute(SQL["switch"], row)

    def backup_switch(self) -> Switch:
        with self._database.reading() as connection:
            is_on, changed_at = connection.execute(SQL["switched"], {"name": "backup"}).fetchone()
        return Switch(bool(is_on), changed_at)

    def salvage(self) -> int:
        saved = 0
        for damaged in set_aside_files(self.path):
            for event in readable_events(damaged):
                saved += sum(answer.is_new for answer in self.record([event]))
            set_saved(damaged)
            logger.warning("%d events of the damaged event store %s were saved.", saved, damaged)
        return saved

    def prune(self) -> int:
        dropped = self._pruning.prune()
        self._save_refused()
        return dropped

    def tidy(self) -> None:
        self._database.tidy()

    def close(self) -> None:
        self._save_refused()
        self._database.close()
        self._browsed.close()

    def _save_refused(self) -> None:
        """Writes what was refused, now and then: each refusal writing would fill a full disk further."""
        with self._refused_lock:
            refused, self._refused = self._refused, Counter()
        if not refused:
            return
        try:
            with self._database.transaction() as connection:
                count(connection, **{_REFUSED + reason: number for reason, number in refused.items()})
        except StoreError:
            with self._refused_lock:
                self._refused.update(refused)
