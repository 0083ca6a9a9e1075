"""Records Vision Events and has them delivered: the Python API, and what the Workflow step stands on."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from multiprocessing.util import Finalize
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from vision_event_block.backup.worker import BackupWorker
from vision_event_block.draft import Composition, Draft, compose
from vision_event_block.errors import InvalidEvent, StoreError, StoreUnavailable, VisionEventError
from vision_event_block.frames import Frames, encode_together
from vision_event_block.keyring import Keyring, fingerprint
from vision_event_block.receipt import Receipt
from vision_event_block.settings import Settings, event_store_place
from vision_event_block.store import open_store
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import CLOUD, HERE, Lease, NewEvent, Recorded, Route, State, refusal_of
from vision_event_block.writer import Job, Writer

if TYPE_CHECKING:
    import numpy as np

WaitFor = Literal["nothing", "storage", "delivery"]

logger = logging.getLogger("vision_event_block")

# A disk that takes longer than this for one commit is broken, and a camera must go on.
_COMMIT_TIMEOUT = 60.0
_ROUTES_REMEMBERED = 1000


class Recorder:
    """Records events into the event store of this device and keeps the backup running.

    Safe to use from several threads, and after a fork. With `wait_for="storage"`, an event whose
    receipt has an id survives the death of the process and a power cut, and is delivered
    exactly once, now or by a later process.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` are read from the environment if absent. Nothing is opened before it is used."""
        self.settings = settings or Settings()
        self.frames = Frames()
        self._pid = 0
        self._lock = threading.Lock()
        self._closed = False

    def record(
        self,
        *,
        use_case: str,
        event_type: str = "custom",
        image: np.ndarray[Any, Any] | None = None,
        output_image: np.ndarray[Any, Any] | None = None,
        predictions: Any = None,
        data: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        captured_at: datetime | None = None,
        device_id: str | None = None,
        stream_id: str | None = None,
        workflow_id: str | None = None,
        idempotency_key: str | None = None,
        wait_for: WaitFor = "storage",
        api_key: str | None = None,
        event_store_url: str | None = None,
    ) -> Receipt:
        """Records one event.

        Args:
            use_case: Id of the use case; it must exist at the destination.
            event_type: quality_check, inventory_count, safety_alert, custom or operator_feedback.
            image: The original, (height, width, 3) uint8 in BGR order.
            output_image: The picture to show, such as the original with boxes drawn on it.
            predictions: `sv.Detections` in pixels of `image`, or a classification dictionary.
            data: Values of the type, by their names in the REST API, such as `{"result": "fail"}`.
            metadata: Up to 100 keys with text, numbers or truth values.
            captured_at: When the image was taken; absent, now. Naive means local time.
            idempotency_key: The same key is the same event, however often it is recorded.
            wait_for: `nothing`: return at once; `storage`: when the event is on disk;
                `delivery`: when the destination has confirmed it.
            api_key: Key of the workspace; absent, ROBOFLOW_API_KEY.
            event_store_url: Event Store of a device to deliver to; absent, VISION_EVENTS_DESTINATION.
        """
        draft = Draft(
            use_case=use_case,
            event_type=event_type,
            image=None if image is None else self.frames.of(image),
            output_image=None if output_image is None else self.frames.of(output_image),
            predictions=predictions,
            data=data or {},
            metadata=metadata,
            captured_at=captured_at,
            device_id=device_id,
            stream_id=stream_id,
            workflow_id=workflow_id,
            idempotency_key=idempotency_key,
        )
        return self.record_drafts(
            [draft], wait_for=wait_for, api_key=api_key, event_store_url=event_store_url
        )[0]

    def record_drafts(
        self,
        drafts: Sequence[Draft],
        *,
        wait_for: WaitFor = "storage",
        api_key: str | None = None,
        event_store_url: str | None = None,
    ) -> list[Receipt]:
        """Records several events in one transaction; one receipt for each, in their order. Never raises."""
        if self._closed:
            return [
                Receipt.refused(StoreUnavailable("This recorder was closed: make a new one.")) for _ in drafts
            ]
        compositions: list[Composition | Receipt] = [self._compose(draft) for draft in drafts]
        good = [item for item in compositions if isinstance(item, Composition)]
        receipts = iter(self._record(good, wait_for, api_key, event_store_url) if good else [])
        return [item if isinstance(item, Receipt) else next(receipts) for item in compositions]

    def record_events(self, events: Sequence[NewEvent]) -> list[Recorded]:
        """Records events that are complete, in one transaction: the way in for other faces than the step.

        Raises:
            StoreError: Nothing was recorded, for the reason that the message says.
            UnknownImage: An event shows an image that is not in the store.
        """
        self._ensure()
        try:
            return self._writer.record(events, _COMMIT_TIMEOUT)
        except TimeoutError:
            raise StoreUnavailable(
                f"The event store did not commit within {_COMMIT_TIMEOUT:.0f} s. Is its disk well?"
            ) from None

    def route(self, api_key: str | None = None, event_store_url: str | None = None) -> Route:
        """Where an event goes: to this Event Store, or to the destination of the settings.

        Raises:
            InvalidEvent: If the URL is none.
        """
        self._ensure()
        known = self._routes.get((api_key, event_store_url))
        if known is None:
            known = self._route(api_key, event_store_url)
            if len(self._routes) < _ROUTES_REMEMBERED:
                self._routes[api_key, event_store_url] = known
        return known

    def _route(self, api_key: str | None, event_store_url: str | None) -> Route:
        if event_store_url is not None:
            try:
                return Route(event_store_place(event_store_url))
            except ValueError as error:
                raise InvalidEvent(f"`event_store_url`: {error}") from None
        place = self.settings.destination
        if place == CLOUD:
            authorization = self.settings.authorization_for(api_key)
            self._keyring.add(authorization)
            return Route(CLOUD, fingerprint(authorization))
        return Route(place)

    def waits_for(self, route: Route) -> str:
        """Why nothing is delivered on a route just now, for people; empty if nothing stands in the way.

        Raises:
            StoreError: If the store cannot be read.
        """
        self._ensure()
        return self._worker.waits_for(route)

    def switch_backup(self, is_on: bool) -> None:
        """Turns the backup of every process on this store on or off.

        Raises:
            StoreError: The switch could not be turned.
        """
        self.store.switch_backup(is_on)
        self._worker.notify()

    def retry(self, event_id: str | None = None) -> int:
        """Makes a rejected event pending again, or all of them; returns how many. A pending one is tried at once.

        Raises:
            StoreError: The store could not be written.
        """
        retried = self.store.queue.retry(event_id)
        if event_id is not None:
            self.store.queue.hurry([event_id])
        self._worker.notify()
        return retried

    def commit(self, timeout: float) -> bool:
        """Waits until all that was handed over is on disk; false if the time was not enough."""
        return self._pid != os.getpid() or self._writer.drain(timeout)

    def flush(self, timeout: float = 30.0) -> bool:
        """Waits until all is on disk and delivered, as far as it can be delivered now.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            False if the time was not enough.
        """
        parts_exist = self._pid == os.getpid()
        return not parts_exist or (self._writer.drain(timeout) and self._worker.flush(timeout))

    def close(self) -> None:
        """Commits what was handed over, delivers for at most `exit_flush_seconds`, and stops.

        What remains is delivered by the next process that records into the same store.
        """
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self._at_exit.cancel()
        self._writer.drain(_COMMIT_TIMEOUT)
        # Who only looked at the store has nothing to see through.
        if self._worker.is_running:
            self._worker.flush(self.settings.exit_flush_seconds)
        self._worker.stop(0.5)
        self._store.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def store(self) -> EventStore:
        """The event store that this recorder writes to."""
        self._ensure()
        return self._store

    def resume(self, api_key: str | None = None) -> None:
        """Starts the backup, for what an earlier process left, with one more key if one is given."""
        self._ensure()
        is_new = self._keyring.add(self.settings.authorization_for(api_key))
        if is_new or not self._worker.is_running:
            self._worker.notify()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ensure(self) -> None:
        """Builds the store, the threads and the keyring of this process; threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._store = open_store(self.settings)
            self._keyring = Keyring(self.settings.authorization)
            # A camera asks thirty times a second for the same one.
            self._routes: dict[tuple[str | None, str | None], Route] = {}
            self._worker = BackupWorker(self._store, self._keyring, self.settings)
            self._writer = Writer(self._store, self._worker.notify)
            self._pid = os.getpid()
            # Runs at the exit of a main process and of a multiprocessing child, where atexit does not.
            self._at_exit = Finalize(None, self.close, exitpriority=100)

    def _compose(self, draft: Draft) -> Composition | Receipt:
        try:
            return compose(draft, self.settings.device_id)
        except InvalidEvent as error:
            self._count_refused(error)
            return Receipt.refused(error)
        except Exception as error:  # a value nobody thought of must not stop the stream
            logger.exception("An event could not be composed.")
            self._count_refused(error)
            return Receipt.refused(error)

    def _record(
        self,
        compositions: Sequence[Composition],
        wait_for: WaitFor,
        api_key: str | None,
        event_store_url: str | None,
    ) -> list[Receipt]:
        try:
            route = self.route(api_key, event_store_url)
        except (InvalidEvent, ValueError) as error:
            self._count_refused(error, len(compositions))
            return [Receipt.refused(error) for _ in compositions]
        try:
            if wait_for == "nothing" and self._hand_over(compositions, route):
                return [
                    Receipt.of(composition, "Handed over to be recorded.") for composition in compositions
                ]
            if wait_for == "delivery":
                return self._deliver(compositions, route)
            return self._receipts(compositions, self._put(compositions, route), route)
        except VisionEventError as error:
            return [Receipt.refused(error) for _ in compositions]
        except Exception as error:  # a broken sink must not stop a production line
            logger.exception("Events could not be recorded.")
            return [Receipt.refused(error) for _ in compositions]

    def _put(
        self, compositions: Sequence[Composition], route: Route, lease: Lease | None = None
    ) -> list[Recorded]:
        """On disk, their frames encoded by all processors together."""
        encode_together(frame for composition in compositions for frame in composition.qualities())
        return self.record_events([composition.new_event(route, lease) for composition in compositions])

    def _deliver(self, compositions: Sequence[Composition], route: Route) -> list[Receipt]:
        with self._worker.express(route) as lease:
            recorded = self._put(compositions, route, lease)
            if lease is not None:
                self._worker.carry(route, lease, recorded)
        return self._confirm(self._receipts(compositions, recorded, route), route)

    def _receipts(
        self, compositions: Sequence[Composition], recorded: Sequence[Recorded], route: Route
    ) -> list[Receipt]:
        return [
            self._on_disk(composition, answer, route)
            for composition, answer in zip(compositions, recorded, strict=True)
        ]

    def _count_refused(self, error: Exception, number: int = 1) -> None:
        with contextlib.suppress(Exception):  # the settings may name no store at all
            self.store.refused(refusal_of(error), number)

    def _hand_over(self, compositions: Sequence[Composition], route: Route) -> bool:
        """Leaves encoding and writing to the recording thread; false when too much waits there already."""
        for composition in compositions:
            composition.keep()
        held = sum(composition.held_bytes() for composition in compositions)
        if self._writer.held_bytes + held > self.settings.handover_bytes:
            return False
        self._writer.submit(
            Job(lambda: [composition.new_event(route) for composition in compositions], held, False)
        )
        return True

    def _on_disk(self, composition: Composition, answer: Recorded, route: Route) -> Receipt:
        if not answer.is_new:
            return Receipt.of(
                composition, f"This idempotency key is recorded already; its event is {answer.state}.", answer
            )
        if route.destination == HERE:
            return Receipt.of(composition, "Recorded in this event store, where it belongs.", answer)
        with contextlib.suppress(StoreError):  # it is on disk, whatever can be said about its way
            waits = self._worker.waits_for(route)
            if waits:
                return Receipt.of(composition, f"Recorded on this device and not sent yet: {waits}.", answer)
        return Receipt.of(composition, "Recorded; the backup delivers it.", answer)

    def _confirm(self, receipts: Sequence[Receipt], route: Route) -> list[Receipt]:
        """Waits for the destination. Without a credential there is nothing to wait for."""
        pending = [receipt.event_id for receipt in receipts if receipt.status == "recorded"]
        try:
            timeout = self.settings.delivery_timeout_seconds if self._worker.can_deliver(route) else 0.0
            states = self._worker.confirmations.wait(pending, timeout)
        except StoreError as error:
            states = {event_id: ("pending", str(error)) for event_id in pending}
        return [
            self._confirmed(receipt, *states[receipt.event_id], route)
            if receipt.event_id in states
            else receipt
            for receipt in receipts
        ]

    def _confirmed(self, receipt: Receipt, state: State, reason: str, route: Route) -> Receipt:
        waits = reason or self._worker.waits_for(route) or "the destination has not answered yet"
        return receipt.confirmed(state, waits)
