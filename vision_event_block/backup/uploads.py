"""Uploads images: each distinct one once, several at a time, every success remembered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from vision_event_block.backup.policy import Trouble, trouble_of
from vision_event_block.client import VisionEventsClient
from vision_event_block.errors import DeliveryError, StoreError
from vision_event_block.pool import Pool
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Route, StoredImage

# With so many on their way, answers are gathered for a moment: each commit waits for the disk.
_MANY = 8
_GATHER = 0.02

Answer = tuple[str, "str | DeliveryError | StoreError | None"]


@dataclass
class Uploaded:
    """What came of a round of uploads, by SHA-256."""

    source_ids: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    waiting: int = 0


class Uploads:
    """Uploads to one route over a pool of threads."""

    def __init__(self, client: VisionEventsClient, store: EventStore, route: Route, pool: Pool) -> None:
        self._client = client
        self._store = store
        self._route = route
        self._pool = pool
        # Not the threads of the uploads: where all of those hang, what came back is noted all the same.
        self._notes = Pool(1, "notes")

    def close(self) -> None:
        """Lets its thread end."""
        self._notes.close()

    def run(self, digests: Iterable[str]) -> Generator[Uploaded, None, None]:
        """Uploads those images that are not at the destination yet, in the order given.

        Yields how far it has come, at least once. Trouble stops what has not begun; what has is
        waited for and remembered, also when the caller stops listening.
        """
        wanted = list(dict.fromkeys(digests))
        done = Uploaded(source_ids=self._store.queue.source_ids(self._route, wanted))
        missing = [sha256 for sha256 in wanted if sha256 not in done.source_ids]
        done.waiting = len(missing)
        answers: SimpleQueue[Answer] = SimpleQueue()
        stop = threading.Event()
        notes = _Notes(self._store, self._route, self._notes)
        for sha256 in missing:
            self._pool.submit(partial(self._upload, sha256, stop, answers))
        try:
            while done.waiting:
                self._take(_all_there_is(answers, done.waiting), done, notes)
                if done.trouble is not None:
                    stop.set()
                yield done
            if not missing:
                yield done
        finally:
            stop.set()
            while done.waiting:
                self._take(_all_there_is(answers, done.waiting), done, notes)
            notes.finish()

    def _take(self, answers: Collection[Answer], done: Uploaded, notes: _Notes) -> None:
        done.waiting -= len(answers)
        new = {sha256: answer for sha256, answer in answers if isinstance(answer, str) and answer}
        if new:
            done.source_ids.update(new)
            notes.take(new)
        for sha256, answer in answers:
            if isinstance(answer, DeliveryError) and answer.is_refusal:
                done.refused[sha256] = str(answer)
            elif isinstance(answer, DeliveryError):
                done.trouble = done.trouble or trouble_of(answer)
            elif isinstance(answer, StoreError):
                done.trouble = done.trouble or Trouble(str(answer))
            elif answer == "":
                done.refused[sha256] = f"its image {sha256} is missing in the event store"

    def _upload(self, sha256: str, stop: threading.Event, answers: SimpleQueue[Answer]) -> None:
        answer: str | DeliveryError | StoreError | None = None
        try:
            if not stop.is_set():
                image = self._store.image(sha256)
                answer = "" if image is None else self._send(image)
        except (DeliveryError, StoreError) as error:
            answer = error
        finally:
            answers.put((sha256, answer))

    def _send(self, image: StoredImage) -> str:
        metadata = json.loads(image.metadata) if image.metadata else None
        return self._client.upload_image(image, name=image.name, metadata=metadata).source_id


class _Notes:
    """Remembers source ids while the requests that need them are on their way already."""

    def __init__(self, store: EventStore, route: Route, pool: Pool) -> None:
        self._store = store
        self._route = route
        self._pool = pool
        self._under_way = 0
        self._outcomes: SimpleQueue[StoreError | None] = SimpleQueue()

    def take(self, source_ids: Mapping[str, str]) -> None:
        self._under_way += 1
        self._pool.submit(partial(self._write, source_ids))

    def finish(self) -> None:
        """Waits until all are written.

        Raises:
            StoreError: If some could not be.
        """
        outcomes = [self._outcomes.get() for _ in range(self._under_way)]
        for error in outcomes:
            if error is not None:
                raise error

    def _write(self, source_ids: Mapping[str, str]) -> None:
        outcome: StoreError | None = None
        try:
            self._store.queue.uploaded(self._route, source_ids)
        except StoreError as error:
            outcome = error
        finally:
            self._outcomes.put(outcome)


def _all_there_is(answers: SimpleQueue[Answer], expected: int) -> list[Answer]:
    """Waits for one answer and takes along what else has come, so that one commit notes them all."""
    batch = [answers.get()]
    if expected > _MANY:
        time.sleep(_GATHER)
    while True:
        try:
            batch.append(answers.get_nowait())
        except Empty:
            return batch
