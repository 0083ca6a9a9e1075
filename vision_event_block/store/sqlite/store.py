"""The event store in one SQLite file: recording, delivery state, accounting."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision_event_block.errors import StoreError, StoreFull, UnknownImage
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import (
    HERE,
    Circuit,
    Claimed,
    Counts,
    Latencies,
    NewEvent,
    Outcome,
    Quota,
    Recorded,
    Refusal,
    Role,
    Route,
    State,
    StoredImage,
    Switch,
)
from vision_event_block.store.sqlite.catalog import SQLiteCatalog
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.pruning import Pruning, delete, used_bytes
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.use_cases import SQLiteUseCases

# No lease and no retry of ours lies further ahead, so what does comes from a wrong clock.
_HORIZON = 3600.0
# How long an uploaded image waits for its event.
_UPLOADS_KEPT = 7 * 86_400.0
_HISTORY_KEPT = 20
# Upper bounds of the histogram of delivery times, in seconds.
_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0, float("inf"))
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
    ) -> None:
        self.quota = quota
        self._database = Database(path, quota.bytes)
        self._pruning = Pruning(self._database, quota, clock)
        # With connections of its own: whoever looks for long holds up nobody who records.
        self._browsed = Database(path, quota.bytes)
        self.catalog = SQLiteCatalog(self._browsed)
        self.use_cases = SQLiteUseCases(self._database, clock)
        self._clock = clock
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
        while True:
            try:
                self._database.require_room(size)
                return self._record(events)
            except StoreFull:
                if not self._pruning.make_room(size):
                    raise

    def _record(self, events: Sequence[NewEvent]) -> list[Recorded]:
        now = self._clock()
        with self._database.transaction() as connection:
            recorded = [self._insert(connection, event, now) for event in events]
            self._pruning.check_records(connection)
            return recorded

    def _insert(self, connection: sqlite3.Connection, event: NewEvent, now: float) -> Recorded:
        state: State = "delivered" if event.route.destination == HERE else "pending"
        row = {
            "id": event.id, **_of(event.route), "state": state,
            "event_type": event.event_type, "use_case": event.use_case, "captured_at": event.captured_at,
            "now": now, "settled_at": now if state == "delivered" else None, "body": event.body,
        }  # fmt: skip
        cursor = connection.execute(SQL["insert_event"], row)
        seq = cursor.lastrowid
        is_new = cursor.rowcount > 0
        comes_back = False
        if is_new:
            _count(connection, recorded=1, kept=1, **{state: 1})
        else:
            seq, before, body, destination = connection.execute(SQL["met"], {"id": event.id}).fetchone()
            is_same = body == event.body and _images_of(connection, seq) == event.digests()
            # A step whose Event Store turns out to be this very store: the event goes on from here.
            comes_back = is_same and before == "pending" and destination != event.route.destination
            may_replace = event.replaces and (before == "rejected" or not is_same)
            if not may_replace and not comes_back:
                return Recorded(event.id, before, is_new=False, is_same=is_same)
            connection.execute(SQL["replace_event"], row)
            _count(connection, **{before: -1})
            _count(connection, **{state: 1})
            _happened(connection, seq, "replaced", "", now)
        self._attach(connection, event, seq, now)
        return Recorded(event.id, state, is_new, is_same=is_new or comes_back)

    def _attach(self, connection: sqlite3.Connection, event: NewEvent, seq: int | None, now: float) -> None:
        """Everything of an event that is not in its own row, in place of what was there."""
        before = set(_images_of(connection, seq).values())
        for table in ("delete_event_images", "delete_classes"):
            connection.execute(SQL[table], {"seq": seq})
        for image in event.images.values():
            connection.execute(SQL["insert_image"], _row(image))
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

    def keep_image(self, image: EncodedImage, name: str | None, metadata: str | None) -> None:
        row = {**_row(image), "name": name, "metadata": metadata, "keep_until": self._clock() + _UPLOADS_KEPT}
        while True:
            try:
                self._database.require_room(len(image.data))
                with self._database.transaction() as connection:
                    connection.execute(SQL["upload_image"], row)
                return
            except StoreFull:
                if not self._pruning.make_room(len(image.data)):
                    raise

    def refused(self, reason: Refusal, number: int = 1) -> None:
        with self._refused_lock:
            self._refused[reason] += number

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
            rows = sorted(connection.execute(SQL["claim"], arguments).fetchall())
            return [self._claimed(connection, row) for row in rows]

    def _claimed(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> Claimed:
        seq, event_id, use_case, body, attempts = row
        return Claimed(seq, event_id, use_case, body, attempts, _images_of(connection, seq))

    def settle(self, token: str, outcomes: Iterable[Outcome]) -> list[int]:
        now = self._clock()
        held: list[Outcome] = []
        with self._database.transaction() as connection:
            for outcome in outcomes:
                row = {
                    "seq": outcome.seq, "token": token, "state": outcome.state, "reason": outcome.reason,
                    "due_in": outcome.due_in, "counts": int(outcome.counts), "now": now,
                }  # fmt: skip
                found = connection.execute(SQL["settle"], row).fetchone()
                if found is None:
                    continue
                held.append(outcome)
                what = "failed" if outcome.state == "pending" else outcome.state
                _happened(connection, outcome.seq, what, outcome.reason or outcome.words, now)
                if outcome.state == "delivered":
                    took = max(now - found[0], 0.0)
                    bound = next(bound for bound in _BOUNDS if took <= bound)
                    connection.execute(SQL["latency"], {"seconds": bound, "took": took})
            settled = [outcome.state for outcome in held if outcome.state != "pending"]
            _count(connection, pending=-len(settled))
            for state in settled:
                _count(connection, **{state: 1})
        return [outcome.seq for outcome in held]

    def release(self, token: str, reason: str = "") -> None:
        with self._database.transaction() as connection:
            if reason:
                for (seq,) in connection.execute(SQL["held"], {"token": token}).fetchall():
                    _happened(connection, seq, "waiting", reason, self._clock())
            connection.execute(SQL["release"], {"token": token})

    def renew(self, token: str, lease: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(SQL["renew"], {"token": token, "until": self._clock() + lease})

    def image(self, sha256: str) -> StoredImage | None:
        with self._database.reading() as connection:
            row = connection.execute(SQL["image"], {"sha256": sha256}).fetchone()
        return None if row is None else StoredImage(*row)

    def source_ids(self, route: Route, digests: Iterable[str]) -> dict[str, str]:
        found = {}
        with self._database.reading() as connection:
            for sha256 in digests:
                row = connection.execute(SQL["source_id"], {**_of(route), "sha256": sha256}).fetchone()
                if row is not None:
                    found[sha256] = row[0]
        return found

    def uploaded(self, route: Route, source_ids: Mapping[str, str]) -> None:
        with self._database.transaction() as connection:
            for sha256, source_id in source_ids.items():
                connection.execute(SQL["uploaded"], {**_of(route), "sha256": sha256, "source_id": source_id})

    def routes(self) -> dict[Route, Circuit]:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["routes"]).fetchall()
        return {Route(row[0], row[1]): Circuit(*row[2:]) for row in rows}

    def trip(self, route: Route, failures: int, open_for: float, reason: str) -> None:
        row = {**_of(route), "failures": failures, "open_until": self._clock() + open_for, "reason": reason}
        with self._database.transaction() as connection:
            connection.execute(SQL["trip"], row)

    def close_circuit(self, route: Route) -> None:
        with self._database.transaction() as connection:
            connection.execute(SQL["close_circuit"], _of(route))

    def next_due(self, route: Route) -> float | None:
        now = self._clock()
        with self._database.reading() as connection:
            arguments = {**_of(route), "now": now, "horizon": _HORIZON}
            (due,) = connection.execute(SQL["next_due"], arguments).fetchone()
        return None if due is None else max(due - now, 0.0)

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
        counts = dict.fromkeys(_BOUNDS, 0) | {seconds: number for seconds, number, _ in rows}
        return Latencies(counts, sum(total for _, _, total in rows))

    def retry(self, event_id: str | None = None) -> int:
        now = self._clock()
        with self._database.transaction() as connection:
            rejected = connection.execute(SQL["retry"], {"id": event_id}).fetchall()
            for (seq,) in rejected:
                _happened(connection, seq, "retried", "", now)
            _count(connection, rejected=-len(rejected), pending=len(rejected))
            connection.execute(SQL["hurry"], {"id": event_id})
        return len(rejected)

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
                    _count(connection, dropped=1, **{state: -1})
        return dropped

    def switch_backup(self, is_on: bool) -> None:
        row = {"name": "backup", "is_on": int(is_on), "now": self._clock()}
        with self._database.transaction() as connection:
            connection.execute(SQL["switch"], row)

    def backup_switch(self) -> Switch:
        with self._database.reading() as connection:
            is_on, changed_at = connection.execute(SQL["switched"], {"name": "backup"}).fetchone()
        return Switch(bool(is_on), changed_at)

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
                _count(connection, **{_REFUSED + reason: number for reason, number in refused.items()})
        except StoreError:
            with self._refused_lock:
                self._refused.update(refused)


def _of(route: Route) -> dict[str, str]:
    return {"destination": route.destination, "credential": route.credential}


def _row(image: EncodedImage) -> dict[str, Any]:
    return {
        "sha256": image.sha256, "content_type": image.content_type,
        "width": image.width, "height": image.height, "data": image.data,
    }  # fmt: skip


def _images_of(connection: sqlite3.Connection, seq: int | None) -> dict[tuple[int, Role], str]:
    rows = connection.execute(SQL["images_of"], {"seq": seq}).fetchall()
    return {(position, role): sha256 for position, role, sha256 in rows}


def _happened(connection: sqlite3.Connection, seq: int | None, what: str, words: str, now: float) -> None:
    connection.execute(SQL["happened"], {"seq": seq, "what": what, "words": words, "now": now})
    if what != "delivered":
        connection.execute(SQL["forget_early_history"], {"seq": seq, "kept": _HISTORY_KEPT})


def _count(connection: sqlite3.Connection, **changes: int) -> None:
    for name, number in changes.items():
        if number:
            connection.execute(SQL["count"], {"name": name, "number": number})
