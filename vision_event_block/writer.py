"""The recording thread: takes what the steps hand over and commits it in groups."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from vision_event_block.pool import Pool
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import NewEvent, Recorded, refusal_of

logger = logging.getLogger("vision_event_block")

_GROUP = 64
_GRACE = 0.005
# Frames are encoded before the commit; whoever waits for it should not wait for all of a backlog.
_GROUP_BYTES = 16 * 1024 * 1024


@dataclass
class Job:
    """Events that belong in one transaction.

    Attributes:
        prepare: Makes them, encoding what is not encoded yet; runs in the recording thread.
        bytes: Memory that the job holds until it is recorded.
        awaited: Whether somebody waits for the outcome; if not, a failure is logged.
        done: Gets the answers of the store, or the error.
    """

    prepare: Callable[[], Sequence[NewEvent]]
    bytes: int = 0
    awaited: bool = True
    done: Future[list[Recorded]] = field(default_factory=Future)


class Writer:
    """One thread per process that owns the writing of new events.

    Jobs that wait at the same moment share a commit, so that many callers pay for one disk sync. Who comes
    alone commits by itself: to wake another thread and to be woken by it costs as much as the commit.
    """

    def __init__(self, store: EventStore, recorded: Callable[[], None]) -> None:
        """`recorded` is called after each commit."""
        self._store = store
        self._recorded = recorded
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._pool = Pool(max((os.cpu_count() or 1) - 1, 1), "prepare")
        self._held = 0
        self._thread: threading.Thread | None = None
        self._complaint = ""

    @property
    def held_bytes(self) -> int:
        """Memory of jobs that are not recorded yet."""
        return self._held

    def record(self, events: Sequence[NewEvent], timeout: float) -> list[Recorded]:
        """Commits events that are ready, and waits for it.

        Raises:
            TimeoutError: It took longer than `timeout` seconds; they may be recorded all the same.
            StoreError, UnknownImage: Nothing was recorded.
        """
        job = Job(prepare=lambda: events)
        if self._jobs.empty() and self._committing.acquire(blocking=False):
            try:
                self._commit([(job, events)])
            finally:
                self._committing.release()
            self._tell([(job, events)])
        else:
            self.submit(job)
        try:
            return job.done.result(timeout)
        except FutureTimeoutError as error:
            raise TimeoutError from error

    def submit(self, job: Job) -> None:
        """Hands a job over; its `done` tells the outcome."""
        with self._lock:
            self._held += job.bytes
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="vision-events-recorder", daemon=True)
                thread.start()
                self._thread = thread
        self._jobs.put(job)

    def drain(self, timeout: float) -> bool:
        """Waits until all that was handed over before is recorded or refused."""
        if self._thread is None:
            return True
        last = Job(prepare=tuple)
        self._jobs.put(last)
        try:
            last.done.result(timeout)
        except FutureTimeoutError:
            return False
        return True

    def _run(self) -> None:
        while True:
            group = self._take()
            # What takes long is done before anybody else is kept from committing.
            prepared = self._prepare_all(group)
            with self._committing:
                self._commit(prepared)
            with self._lock:
                self._held -= sum(job.bytes for job in group)
            self._after_commit(prepared)

    def _take(self) -> list[Job]:
        group = [self._jobs.get()]
        deadline = time.monotonic() + _GRACE
        while not any(job.awaited for job in group):
            # Nobody waits: the run that handed it over goes first.
            try:
                group.append(self._jobs.get(timeout=max(deadline - time.monotonic(), 0.0)))
            except Empty:
                break
        while len(group) < _GROUP and sum(job.bytes for job in group) < _GROUP_BYTES:
            try:
                group.append(self._jobs.get_nowait())
            except Empty:
                break
        return group

    def _prepare_all(self, group: Sequence[Job]) -> list[tuple[Job, Sequence[NewEvent]]]:
        """The jobs that could be made ready, by as many threads as there are processors."""
        waiting = deque(group)
        ready: dict[int, Sequence[NewEvent]] = {}
        done = threading.Semaphore(0)

        def work() -> None:
            with contextlib.suppress(IndexError):  # none is left
                while True:
                    job = waiting.popleft()
                    if (events := self._prepare(job)) is not None:
                        ready[id(job)] = events
                    done.release()

        with contextlib.suppress(
            RuntimeError
        ):  # the interpreter is shutting down, and starts no thread any more
            for _ in group[1:]:
                self._pool.submit(work)
        work()
        for _ in group:
            done.acquire()
        return [(job, ready[id(job)]) for job in group if id(job) in ready]

    def _prepare(self, job: Job) -> Sequence[NewEvent] | None:
        try:
            return job.prepare()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the job
            if not job.awaited:
                logger.error("Events lost, not ready to be recorded: %s", error)
                self._store.refused(refusal_of(error))
            job.done.set_exception(error)
            return None

    def _commit(self, prepared: Sequence[tuple[Job, Sequence[NewEvent]]]) -> None:
        if not self._record(prepared):
            for pair in prepared:
                self._record([pair], last_try=True)

    def _record(self, prepared: Sequence[tuple[Job, Sequence[NewEvent]]], last_try: bool = False) -> bool:
        """Commits all jobs at once. A group that fails is tried job by job, where the failure has one owner."""
        events = [event for _, events in prepared for event in events]
        try:
            answers = iter(self._store.record(events) if events else [])
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the job
            if last_try:
                self._refuse(*prepared[0], error)
            return False
        for job, own in prepared:
            job.done.set_result([next(answers) for _ in own])
        return True

    def _refuse(self, job: Job, events: Sequence[NewEvent], error: Exception) -> None:
        self._store.refused(refusal_of(error), len(events))
        if not job.awaited:
            logger.error("Events lost, not recorded: %s: %s", ", ".join(event.id for event in events), error)
        job.done.set_exception(error)

    def _tell(self, prepared: Sequence[tuple[Job, Sequence[NewEvent]]]) -> None:
        """Says that there is something new, unless whoever recorded it delivers it at once."""
        if any(event.lease is None for _, events in prepared for event in events):
            self._recorded()

    def _after_commit(self, prepared: Sequence[tuple[Job, Sequence[NewEvent]]]) -> None:
        """What may be done while nobody waits. It must not end this thread, whatever it is."""
        try:
            self._tell(prepared)
            if self._jobs.empty():
                self._store.tidy()
            self._complaint = ""
        except Exception as error:  # noqa: BLE001 - see above
            # Said once: a camera comes by here thirty times a second.
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.warning("The event store could not be tidied: %s", error)
