"""The backup: one thread per process that carries recorded events to where they belong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from uuid import uuid4

from vision_event_block.backup.cloud import CloudDestination
from vision_event_block.backup.confirmations import Confirmations
from vision_event_block.backup.destination import Destination
from vision_event_block.backup.policy import LONGEST_DELAY, PROBE_AFTER, Trouble
from vision_event_block.backup.pool import Pool
from vision_event_block.client import VisionEventsClient
from vision_event_block.errors import StoreError
from vision_event_block.event import MAX_BATCH
from vision_event_block.keyring import Keyring
from vision_event_block.settings import Settings
from vision_event_block.store.model import Circuit, EventStore, Outcome, Route

logger = logging.getLogger("vision_event_block")

# Long enough for a thread that is late, short enough that a killed process is soon replaced.
LEASE = 15.0
# How often to look for what other processes recorded and did not deliver.
_POLL = 2.0
_UPKEEP = 60.0


class BackupWorker:
    """Delivers what is due, route by route, for ever.

    Events are shared with other processes by leases, and the state of a route through its
    circuit in the store. Starts with the first `notify()`; its threads never keep the process alive.
    """

    def __init__(self, store: EventStore, keyring: Keyring, settings: Settings) -> None:
        self._store = store
        self._keyring = keyring
        self._settings = settings
        self.confirmations = Confirmations(store)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pool = Pool(settings.uploads)
        self._destinations: dict[Route, Destination] = {}
        self._token = ""
        self._said: dict[Route, str] = {}

    @property
    def is_running(self) -> bool:
        """Whether the backup was started."""
        return bool(self._threads)

    def notify(self) -> None:
        """There may be something to deliver. Starts the threads if they do not run yet."""
        with self._lock:
            if not self._threads and self._settings.backup and not self._stopping.is_set():
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
        while self._settings.backup and self._can_deliver():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
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
        for destination in self._destinations.values():
            destination.close()
        self._pool.close()

    def waits_for(self, route: Route) -> str:
        """Why nothing is delivered on a route just now, for people; empty if nothing stands in the way."""
        if not self._settings.backup:
            return "backup is off (VISION_EVENTS_BACKUP)"
        if self._keyring.get(route.credential) is None:
            return "there is no API key: set ROBOFLOW_API_KEY, or pass api_key with the Workflow run"
        return self._said.get(route, "")

    def _can_deliver(self) -> bool:
        try:
            # In this order: a worker takes its token before it claims.
            return any(self._store.next_due(route) == 0.0 for route, _ in self._usable_routes()) or bool(
                self._token
            )
        except StoreError:
            return False

    def _usable_routes(self) -> list[tuple[Route, Circuit]]:
        return self._usable(self._store.routes())

    def _usable(self, routes: Mapping[Route, Circuit]) -> list[tuple[Route, Circuit]]:
        now = time.time()
        return [
            (route, circuit)
            for route, circuit in routes.items()
            if self._keyring.get(route.credential) is not None
            and not now < circuit.open_until <= now + 2 * LONGEST_DELAY
        ]

    def _run(self) -> None:
        next_upkeep = 0.0
        complaint = ""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= next_upkeep:
                    self._store.prune()
                    next_upkeep = time.monotonic() + _UPKEEP
                busy = False
                for route, circuit in self._usable_routes():
                    busy = self._work_on(route, circuit) or busy
                self._store.tidy()
                complaint = ""
            except StoreError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    logger.warning("Backup waits: %s", complaint)
                busy = False
            except Exception:
                logger.exception("Backup stumbled and goes on.")
                busy = False
            if not busy:
                self._wake.wait(self._idle_time())

    def _idle_time(self) -> float:
        try:
            now = time.time()
            routes = self._store.routes()
            opening = [max(c.open_until - now, 0.05) for c in routes.values() if c.open_until > now]
            due = [
                due for route, _ in self._usable(routes) if (due := self._store.next_due(route)) is not None
            ]
        except StoreError:
            return _POLL
        return min([_POLL, *opening, *(max(d, 0.1) for d in due)])

    def _work_on(self, route: Route, circuit: Circuit) -> bool:
        """One claim of one route. Returns whether something was settled."""
        probing = circuit.failures >= PROBE_AFTER
        if probing:
            # Everybody else keeps away while one event is risked.
            self._store.trip(route, circuit.failures, LEASE, circuit.reason)
        token = uuid4().hex
        ids: dict[int, str] = {}
        settled = 0

        def settle(outcomes: Sequence[Outcome]) -> None:
            nonlocal settled
            self._store.settle(token, outcomes)
            settled += sum(outcome.state != "pending" for outcome in outcomes)
            for outcome in outcomes:
                if outcome.state == "rejected":
                    logger.error(
                        "Vision Event %s was rejected and set aside: %s", ids[outcome.seq], outcome.reason
                    )
            self.confirmations.announce()

        self._token = token
        try:
            events = self._store.claim(route, token, LEASE, 1 if probing else MAX_BATCH)
            ids = {event.seq: event.id for event in events}
            trouble = self._destination(route).deliver(events, settle) if events else None
            if events:
                # What got through shows that the route works: the failures in a row begin anew.
                self._note(route, Circuit() if trouble and settled else circuit, trouble)
        finally:
            self._token = ""
            self._store.release(token)
        return settled > 0

    def _note(self, route: Route, circuit: Circuit, trouble: Trouble | None) -> None:
        if trouble is None:
            if circuit.failures:
                self._store.close_circuit(route)
                logger.info("Backup to %s goes on.", route.destination)
            self._said.pop(route, None)
            return
        failures = circuit.failures + 1
        self._store.trip(route, failures, trouble.pause(failures), trouble.reason)
        if self._said.get(route) != trouble.reason:
            self._said[route] = trouble.reason
            logger.warning(
                "Backup to %s waits; events stay on the device: %s", route.destination, trouble.reason
            )

    def _destination(self, route: Route) -> Destination:
        if route not in self._destinations:
            client = VisionEventsClient(
                authorization=self._keyring.get(route.credential), settings=self._settings
            )
            self._destinations[route] = CloudDestination(client, self._store, route, self._pool)
        return self._destinations[route]

    def _keep_leases(self) -> None:
        while not self._stopping.wait(LEASE / 3):
            if token := self._token:
                try:
                    self._store.renew(token, LEASE)
                except StoreError as error:
                    logger.warning("A lease could not be renewed: %s", error)
