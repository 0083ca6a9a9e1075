"""The backup: carries recorded events to where they belong, each route in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from vision_event_block.backoff import LONGEST_DELAY
from vision_event_block.backup.confirmations import Confirmations
from vision_event_block.backup.destination import Destination
from vision_event_block.backup.destinations import Destinations
from vision_event_block.backup.lanes import Lane, Lanes
from vision_event_block.backup.policy import PROBE_AFTER, Trouble
from vision_event_block.errors import StoreCorrupt, StoreError
from vision_event_block.event import MAX_BATCH
from vision_event_block.keyring import Keyring
from vision_event_block.pool import Pool
from vision_event_block.settings import Settings
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Circuit, Claimed, Lease, Outcome, Recorded, Route

logger = logging.getLogger("vision_event_block")

# Long enough for a thread that is late, short enough that a killed process is soon replaced.
LEASE = 15.0
# How often to look for what other processes recorded and did not deliver.
_POLL = 2.0
_UPKEEP = 60.0
_ROUTES_AT_ONCE = 8
_LOOK_APART = 0.01


class BackupWorker:
    """Delivers what is due, on every route, for ever; and keeps the store within its quota.

    Events are shared with other processes by leases, and the state of a route through its
    circuit in the store. Starts with the first `notify()`; its threads never keep the process alive.
    """

    def __init__(self, store: EventStore, keyring: Keyring, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._destinations = Destinations(store, keyring, settings)
        self.confirmations = Confirmations(store)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pool = Pool(_ROUTES_AT_ONCE, "backup")
        self._lanes = Lanes()
        self._carried: set[Lane] = set()
        self._said: dict[Route, str] = {}

    @property
    def is_running(self) -> bool:
        """Whether the backup was started."""
        return bool(self._threads)

    def notify(self) -> None:
        """There may be something to deliver. Starts the threads if they do not run yet."""
        with self._lock:
            if not self._threads and not self._stopping.is_set():
                self._threads = [
                    threading.Thread(target=self._run, name="vision-events-backup", daemon=True),
                    threading.Thread(target=self._keep_leases, name="vision-events-leases", daemon=True),
                ]
                try:
                    for thread in self._threads:
                        thread.start()
                except RuntimeError:  # the interpreter is shutting down: the next process delivers
                    self._stopping.set()
        self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Waits until nothing is left that could be delivered now; false if the time was not enough."""
        deadline = time.monotonic() + timeout
        while self._can_deliver():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._lanes.hurry()
            self.notify()
            time.sleep(min(left, 0.02))
        return True

    def stop(self, timeout: float) -> None:
        """Ends the threads after the request they are at, or after `timeout` seconds all the same."""
        self._stopping.set()
        self._wake.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(deadline - time.monotonic(), 0.0))
        while self._lanes.tokens and time.monotonic() < deadline:
            time.sleep(0.01)
        self._destinations.close()
        self._pool.close()

    def waits_for(self, route: Route) -> str:
        """Why nothing is delivered on a route just now, for people; empty if nothing stands in the way.

        Raises:
            StoreError: If the store cannot be read.
        """
        if not self._settings.backup:
            return "backup is off (VISION_EVENTS_BACKUP)"
        if not self._store.backup_switch().is_on:
            return "backup is switched off (`vision-events backup on` turns it on)"
        if not self._destinations.can_reach(route):
            return "there is no API key: set ROBOFLOW_API_KEY, or pass api_key with the Workflow run"
        return self._said.get(route, "")

    def can_deliver(self, route: Route) -> bool:
        """Whether this process would deliver on a route, were its destination there."""
        return (
            self._settings.backup
            and self._store.backup_switch().is_on
            and self._destinations.can_reach(route)
        )

    @contextlib.contextmanager
    def express(self, route: Route) -> Iterator[Lease | None]:
        """A lease for events that are recorded now and then carried past the queue; None if they had better queue."""
        lane = self._lanes.take_express(route) if self._is_free(route) else None
        try:
            yield Lease(self._lanes.token(lane), LEASE) if lane else None
        finally:
            if lane and lane not in self._carried:
                self._lanes.leave(lane)

    def carry(self, route: Route, lease: Lease, recorded: Sequence[Recorded]) -> None:
        """Delivers events that were recorded under this lease, past the queue, and all others in it."""
        events = [answer.claimed for answer in recorded if answer.claimed is not None]
        if events:
            lane: Lane = (route, lease.token)
            self._carried.add(lane)
            self._pool.submit(partial(self._carry, lane, Circuit(), events))
        if len(events) < len(recorded):
            # Somebody waits for what is left to the queue: nothing is to gather there any longer.
            self._lanes.hurry(route)
        if len(events) < len(recorded) or not self._threads:
            self.notify()

    def _is_free(self, route: Route) -> bool:
        """Whether nothing is known that would hold up a delivery on a route."""
        try:
            is_well = self.can_deliver(route) and not self._store.queue.circuit(route).failures
        except StoreError:  # whoever records next meets it, and says so
            return False
        return is_well and not self._stopping.is_set()

    def _can_deliver(self) -> bool:
        try:
            # In this order: a route takes its token before it claims.
            return any(self._store.queue.next_due(route) == 0.0 for route in self._usable_routes()) or bool(
                self._lanes.tokens
            )
        except StoreError:
            return False

    def _usable_routes(self) -> dict[Route, Circuit]:
        """Those on which something could be delivered now."""
        if not self._settings.backup or not self._store.backup_switch().is_on:
            return {}
        now = time.time()
        return {
            route: circuit
            for route, circuit in self._store.queue.routes().items()
            if self._destinations.can_reach(route) and not now < circuit.open_until <= now + 2 * LONGEST_DELAY
        }

    def _run(self) -> None:
        next_upkeep = 0.0
        complaint = ""
        while not self._stopping.is_set():
            self._wake.clear()
            looked_at = time.monotonic()
            try:
                if time.monotonic() >= next_upkeep:
                    next_upkeep = time.monotonic() + _UPKEEP
                    self._store.salvage()
                    self._store.prune()
                for route, circuit in self._usable_routes().items():
                    self._start(route, circuit)
                self._store.tidy()
                complaint = ""
            except StoreError as error:
                if isinstance(error, StoreCorrupt):
                    next_upkeep = 0.0
                if str(error) != complaint:
                    complaint = str(error)
                    logger.warning("Backup waits: %s", complaint)
            except Exception:
                logger.exception("Backup stumbled and goes on.")
            self._wake.wait(self._idle_time())
            # Each commit of a busy camera wakes it, and each look costs some queries.
            self._stopping.wait(max(looked_at + _LOOK_APART - time.monotonic(), 0.0))

    def _start(self, route: Route, circuit: Circuit) -> None:
        for lane in self._lanes.take(route, is_well=not circuit.failures):
            self._pool.submit(partial(self._carry, lane, circuit))

    def _carry(self, lane: Lane, circuit: Circuit, events: Sequence[Claimed] | None = None) -> None:
        route, _ = lane
        began = time.monotonic()
        try:
            settled = self._work_on(route, circuit, self._lanes.token(lane), events)
            if events is None:
                self._lanes.rest_after(route, began, settled, self.confirmations.awaited)
        except StoreError as error:
            self._lanes.rest_for(route, _POLL)
            logger.warning("Backup to %s waits: %s", route.destination, error)
        finally:
            self._lanes.leave(lane)
            self._carried.discard(lane)
            self._wake.set()

    def _idle_time(self) -> float:
        """Seconds until there may be something to do that nobody will tell."""
        moments = [_POLL]
        try:
            if not self._settings.backup or not self._store.backup_switch().is_on:
                return _POLL
            now = time.time()
            for route, circuit in self._store.queue.routes().items():
                if circuit.open_until > now:
                    moments.append(max(circuit.open_until - now, 0.05))
                elif not self._lanes.is_taken(route) and self._destinations.can_reach(route):
                    due = self._store.queue.next_due(route)
                    moments += [] if due is None else [max(due, self._lanes.rest(route), 0.005)]
        except StoreError:
            return _POLL
        return min(moments)

    def _claim(self, route: Route, circuit: Circuit, token: str) -> Sequence[Claimed]:
        probing = circuit.failures >= PROBE_AFTER
        if probing:
            # Everybody else keeps away while one event is risked.
            self._store.queue.trip(route, circuit.failures, LEASE, circuit.reason)
        events = self._store.queue.claim(route, token, LEASE, 1 if probing else MAX_BATCH)
        if not probing and events and self._store.queue.circuit(route).failures > circuit.failures:
            # It failed for somebody else since this thread looked, who just gave these events back.
            return []
        if self._lanes.claimed(route, len(events)):
            self._wake.set()
        return events

    def _work_on(
        self, route: Route, circuit: Circuit, token: str, events: Sequence[Claimed] | None = None
    ) -> int:
        """Delivers these events of one route, or what can be claimed. Returns how many were settled."""
        ids: dict[int, str] = {}
        settled = 0
        trouble: Trouble | None = None

        def settle(outcomes: Sequence[Outcome]) -> None:
            nonlocal settled
            self._store.queue.settle(token, outcomes)
            settled += sum(outcome.state != "pending" for outcome in outcomes)
            for outcome in outcomes:
                if outcome.state == "rejected":
                    logger.error(
                        "Vision Event %s was rejected and set aside: %s", ids[outcome.seq], outcome.reason
                    )
            self.confirmations.announce()

        try:
            events = self._claim(route, circuit, token) if events is None else events
            ids = {event.seq: event.id for event in events}
            if events:
                destination: Destination = self._destinations.of(route)
                trouble = destination.deliver(events, settle)
                # What got through shows that the route works: the failures in a row begin anew.
                self._note(route, Circuit() if trouble and settled else circuit, trouble)
        finally:
            self._store.queue.release(token, trouble.reason if trouble else "")
        return settled

    def _note(self, route: Route, circuit: Circuit, trouble: Trouble | None) -> None:
        if trouble is None:
            if circuit.failures:
                self._store.queue.close_circuit(route)
                logger.info("Backup to %s goes on.", route.destination)
            self._said.pop(route, None)
            return
        failures = circuit.failures + 1
        self._store.queue.trip(route, failures, trouble.pause(failures), trouble.reason)
        if self._said.get(route) != trouble.reason:
            self._said[route] = trouble.reason
            logger.warning(
                "Backup to %s waits; events stay on the device: %s", route.destination, trouble.reason
            )

    def _keep_leases(self) -> None:
        while not self._stopping.wait(LEASE / 3):
            for token in self._lanes.tokens:
                try:
                    self._store.queue.renew(token, LEASE)
                except StoreError as error:
                    logger.warning("A lease could not be renewed: %s", error)
