"""What waits in a store to be delivered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from vision_event_block.store.model import Circuit, Claimed, Lease, Outcome, Route
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.rows import columns_of, count, happened, images_of

# No lease and no retry of ours lies further ahead, so what does comes from an earlier start of the machine.
_HORIZON = 3600.0
# Upper bounds of the histogram of delivery times, in seconds.
LATENCY_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0, float("inf"))


class SQLiteQueue:
    """Implements `Queue`; see there for what each method promises."""

    def __init__(
        self, database: Database, clock: Callable[[], float], ticks: Callable[[], float], boot: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._ticks = ticks
        self._boot = boot

    def claim(self, route: Route, token: str, lease: float, limit: int) -> list[Claimed]:
        arguments = {
            **columns_of(route),
            "token": token,
            "ticks": self._ticks(),
            "lease": lease,
            "limit": limit,
            "horizon": _HORIZON,
        }
        with self._database.transaction() as connection:
            self._forget_another_boot(connection)
            rows = sorted(connection.execute(SQL["claim"], arguments).fetchall())
            return [
                Claimed(seq, event_id, use_case, body, attempts, images_of(connection, seq))
                for seq, event_id, use_case, body, attempts in rows
            ]

    def grant(self, connection: sqlite3.Connection, seq: int, lease: Lease) -> None:
        """Claims one event in the transaction that records it."""
        self._forget_another_boot(connection)
        row = {"seq": seq, "token": lease.token, "until": self._ticks() + lease.seconds}
        connection.execute(SQL["grant"], row)

    def _forget_another_boot(self, connection: sqlite3.Connection) -> None:
        if connection.execute(SQL["another_boot"], {"id": self._boot}).rowcount:
            connection.execute(SQL["forget_ticks"])

    def settle(self, token: str, outcomes: Iterable[Outcome]) -> list[int]:
        now, ticks = self._clock(), self._ticks()
        held: list[Outcome] = []
        with self._database.transaction() as connection:
            for outcome in outcomes:
                row = {
                    "seq": outcome.seq, "token": token, "state": outcome.state, "reason": outcome.reason,
                    "due_in": outcome.due_in, "counts": int(outcome.counts), "now": now, "ticks": ticks,
                }  # fmt: skip
                found = connection.execute(SQL["settle"], row).fetchone()
                if found is None:
                    continue
                held.append(outcome)
                what = "failed" if outcome.state == "pending" else outcome.state
                happened(connection, outcome.seq, what, outcome.reason or outcome.words, now)
                if outcome.state == "delivered":
                    took = max(now - found[0], 0.0)
                    bound = next(bound for bound in LATENCY_BOUNDS if took <= bound)
                    connection.execute(SQL["latency"], {"seconds": bound, "took": took})
            settled = [outcome.state for outcome in held if outcome.state != "pending"]
            count(connection, pending=-len(settled))
            for state in settled:
                count(connection, **{state: 1})
        return [outcome.seq for outcome in held]

    def release(self, token: str, reason: str = "") -> None:
        with self._database.transaction() as connection:
            if reason:
                for (seq,) in connection.execute(SQL["held"], {"token": token}).fetchall():
                    happened(connection, seq, "waiting", reason, self._clock())
            connection.execute(SQL["release"], {"token": token})

    def renew(self, token: str, lease: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(SQL["renew"], {"token": token, "until": self._ticks() + lease})

    def source_ids(self, route: Route, digests: Iterable[str]) -> dict[str, str]:
        found = {}
        with self._database.reading() as connection:
            for sha256 in digests:
                row = connection.execute(SQL["source_id"], {**columns_of(route), "sha256": sha256}).fetchone()
                if row is not None:
                    found[sha256] = row[0]
        return found

    def uploaded(self, route: Route, source_ids: Mapping[str, str]) -> None:
        with self._database.transaction() as connection:
            for sha256, source_id in source_ids.items():
                connection.execute(
                    SQL["uploaded"], {**columns_of(route), "sha256": sha256, "source_id": source_id}
                )

    def routes(self) -> dict[Route, Circuit]:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["routes"]).fetchall()
        return {Route(row[0], row[1]): Circuit(*row[2:]) for row in rows}

    def circuit(self, route: Route) -> Circuit:
        with self._database.reading() as connection:
            row = connection.execute(SQL["circuit"], columns_of(route)).fetchone()
        return Circuit(*row) if row else Circuit()

    def trip(self, route: Route, failures: int, open_for: float, reason: str) -> None:
        row = {
            **columns_of(route),
            "failures": failures,
            "open_until": self._clock() + open_for,
            "reason": reason,
        }
        with self._database.transaction() as connection:
            connection.execute(SQL["trip"], row)

    def close_circuit(self, route: Route) -> None:
        with self._database.transaction() as connection:
            connection.execute(SQL["close_circuit"], columns_of(route))

    def next_due(self, route: Route) -> float | None:
        ticks = self._ticks()
        with self._database.reading() as connection:
            arguments = {**columns_of(route), "ticks": ticks, "horizon": _HORIZON}
            (due,) = connection.execute(SQL["next_due"], arguments).fetchone()
        return None if due is None else max(due - ticks, 0.0)

    def retry(self, event_id: str | None = None) -> int:
        now = self._clock()
        with self._database.transaction() as connection:
            rejected = connection.execute(SQL["retry"], {"id": event_id}).fetchall()
            for (seq,) in rejected:
                happened(connection, seq, "retried", "", now)
            count(connection, rejected=-len(rejected), pending=len(rejected))
        return len(rejected)

    def hurry(self, event_ids: Iterable[str] | None = None) -> None:
        with self._database.transaction() as connection:
            if event_ids is None:
                connection.execute(SQL["hurry_all"])
                connection.execute(SQL["close_circuits"])
            else:
                connection.executemany(SQL["hurry"], [{"id": event_id} for event_id in event_ids])

    def reroute(self, before: Route, after: Route) -> int:
        row = {
            "old_destination": before.destination, "old_credential": before.credential, **columns_of(after),
            "ticks": self._ticks(), "horizon": _HORIZON,
        }  # fmt: skip
        with self._database.transaction() as connection:
            return connection.execute(SQL["reroute"], row).rowcount
