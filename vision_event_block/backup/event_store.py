"""A device's Event Store as a destination: one request an event, its images inside."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue

from vision_event_block.backup.contents import images_of
from vision_event_block.backup.destination import Settle
from vision_event_block.backup.judgement import Judgement
from vision_event_block.backup.policy import Trouble
from vision_event_block.device_event import device_json
from vision_event_block.errors import DeliveryError, InvalidEvent, StoreError
from vision_event_block.pool import Pool
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Claimed
from vision_event_block.transport import Answer, Transport

# The words of a delivery, or what went wrong; None when it was not tried.
Result = tuple[Claimed, "str | DeliveryError | StoreError | InvalidEvent | None"]

_PATH = "/v2/events"


class _Created(Answer):
    id: str | int


class EventStoreDestination:
    """Implements `Destination` over the device API.

    The event's id travels as `Idempotency-Key`: a store that honours it keeps the event once, under
    this id. A store that does not may keep an event twice when an answer is lost.
    """

    def __init__(self, transport: Transport, store: EventStore, pool: Pool) -> None:
        self._transport = transport
        self._store = store
        self._pool = pool

    def deliver(self, events: Sequence[Claimed], settle: Settle) -> Trouble | None:
        judgement = Judgement(settle)
        results: SimpleQueue[Result] = SimpleQueue()
        stop = threading.Event()
        trouble: Trouble | None = None
        for event in events:
            self._pool.submit(partial(self._try, event, stop, results))
        for _ in events:
            event, result = results.get()
            if isinstance(result, str):
                judgement.delivered([event], result)
            elif isinstance(result, InvalidEvent):
                judgement.rejected(event, str(result))
            elif isinstance(result, DeliveryError):
                trouble = judgement.failed(event, result) or trouble
            elif isinstance(result, StoreError):
                trouble = trouble or Trouble(str(result))
            if trouble is not None:
                stop.set()
        return trouble

    def close(self) -> None:
        self._transport.close()

    def _try(self, event: Claimed, stop: threading.Event, results: SimpleQueue[Result]) -> None:
        result: str | DeliveryError | StoreError | InvalidEvent | None = None
        try:
            if not stop.is_set():
                result = self._send(event)
        except (DeliveryError, StoreError, InvalidEvent) as error:
            result = error
        finally:
            results.put((event, result))

    def _send(self, event: Claimed) -> str:
        files = {place: image.data for place, image in images_of(self._store, event.images).items()}
        try:
            body = device_json(event.parsed(), files)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise InvalidEvent(f"its record in the event store is damaged: {error}") from error
        exchange = self._transport.send(
            "POST",
            _PATH,
            self._transport.base_url + _PATH,
            data=body,
            headers={"Idempotency-Key": event.id, "Content-Type": "application/json"},
        )
        created = self._transport.parse(_Created, exchange)
        status = exchange.response.status_code
        return f"{exchange.request} answered {status}: stored as {created.id}"
