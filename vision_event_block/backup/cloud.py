"""The Roboflow cloud as a destination: images first, several at a time, then events in batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from multiprocessing.pool import ThreadPool
from typing import Any

from vision_event_block.backup.destination import Settle
from vision_event_block.backup.policy import (
    ALONE_AFTER,
    Trouble,
    backoff,
    is_refusal,
    may_be_the_events_fault,
    trouble_of,
)
from vision_event_block.backup.uploads import Uploads
from vision_event_block.client import CreatedBatch, VisionEventsClient
from vision_event_block.errors import DeliveryError
from vision_event_block.event import MAX_BATCH
from vision_event_block.store.model import Claimed, EventStore, Outcome, Role, Route

_SOURCE_KEYS: dict[Role, str] = {"output": "sourceId", "input": "inputSourceId"}


class CloudDestination:
    """Implements `Destination` over the Vision Events API.

    Creating an event under an id that exists replaces it, so an event whose answer was lost is
    simply sent again. Source ids are remembered, so that a retry repeats only the step that failed.
    """

    def __init__(self, client: VisionEventsClient, store: EventStore, route: Route, pool: ThreadPool) -> None:
        self._client = client
        self._uploads = Uploads(client, store, route, pool)

    def deliver(self, events: Sequence[Claimed], settle: Settle) -> Trouble | None:
        uploads = self._uploads.run({sha256 for event in events for sha256 in event.images.values()})
        trouble = uploads.trouble
        ready: list[tuple[Claimed, dict[str, Any]]] = []
        for event in events:
            refused = next((uploads.refused[sha] for sha in event.images.values() if sha in uploads.refused), None)
            if refused is not None:
                settle([Outcome(event.seq, "rejected", refused)])
            elif all(sha256 in uploads.source_ids for sha256 in event.images.values()):
                try:
                    ready.append((event, _payload(event, uploads.source_ids)))
                except (ValueError, KeyError, IndexError, TypeError) as error:
                    settle([Outcome(event.seq, "rejected", f"its record in the event store is damaged: {error}")])
        if trouble is not None and trouble.is_credential:
            return trouble
        for batch in _batches(ready):
            failure = self._create(batch, settle)
            if failure is not None:
                return failure
        return trouble

    def close(self) -> None:
        self._client.close()

    def _create(self, batch: Sequence[tuple[Claimed, dict[str, Any]]], settle: Settle) -> Trouble | None:
        if len(batch) == 1:
            return self._create_one(*batch[0], settle)
        try:
            answer = self._client.create_events([payload for _, payload in batch])
        except DeliveryError as error:
            if is_refusal(error):
                # One of them is refused, and with it all: the two halves tell which.
                half = len(batch) // 2
                return self._create(batch[:half], settle) or self._create(batch[half:], settle)
            if may_be_the_events_fault(error):
                settle([Outcome(event.seq, "pending", str(error), counts=True) for event, _ in batch])
            return trouble_of(error)
        created = _created(answer, [event.id for event, _ in batch])
        settle([Outcome(event.seq, "delivered") for event, _ in batch if event.id in created])
        for event, payload in batch:
            if event.id not in created and (trouble := self._create_one(event, payload, settle)):
                return trouble
        return None

    def _create_one(self, event: Claimed, payload: dict[str, Any], settle: Settle) -> Trouble | None:
        try:
            self._client.create_event(payload)
        except DeliveryError as error:
            if is_refusal(error):
                settle([Outcome(event.seq, "rejected", str(error))])
                return None
            if may_be_the_events_fault(error):
                due_in = backoff(event.attempts + 1)
                settle([Outcome(event.seq, "pending", str(error), due_in=due_in, counts=True)])
            return trouble_of(error)
        settle([Outcome(event.seq, "delivered")])
        return None


def _created(answer: CreatedBatch, sent: Sequence[str]) -> set[str]:
    """The ids that the answer vouches for. Fewer created than sent, and not said which: none."""
    if answer.event_ids is None:
        return set(sent) if answer.created is None or answer.created >= len(sent) else set()
    named = set(answer.event_ids) & set(sent)
    if answer.created is not None and answer.created < len(named):
        return set()
    return named


def _payload(event: Claimed, source_ids: dict[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(event.body)
    for (position, role), sha256 in event.images.items():
        payload["images"][position][_SOURCE_KEYS[role]] = source_ids[sha256]
    return payload


def _batches(
    ready: Iterable[tuple[Claimed, dict[str, Any]]],
) -> Iterator[Sequence[tuple[Claimed, dict[str, Any]]]]:
    """Batches of one use case each, because an unknown one is refused with all that travels with it."""

    def company(item: tuple[Claimed, dict[str, Any]]) -> tuple[bool, str]:
        return item[0].attempts >= ALONE_AFTER, item[0].use_case

    for (alone, _), group in groupby(sorted(ready, key=company), key=company):
        items = list(group)
        size = 1 if alone else MAX_BATCH
        yield from (items[start : start + size] for start in range(0, len(items), size))
