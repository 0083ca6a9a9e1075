"""The Roboflow cloud as a destination: images first, several at a time, then events in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import Any

from vision_event_block.backup.destination import Settle
from vision_event_block.backup.judgement import Judgement
from vision_event_block.backup.policy import Trouble, may_be_the_events_fault, trouble_of
from vision_event_block.backup.pool import Pool
from vision_event_block.backup.uploads import Uploaded, Uploads
from vision_event_block.client import CreatedBatch, VisionEventsClient
from vision_event_block.errors import DeliveryError
from vision_event_block.event import MAX_BATCH
from vision_event_block.store.interface import EventStore
from vision_event_block.store.listing import SOURCE_KEYS
from vision_event_block.store.model import Claimed, Route

# A claimed event and what is sent of it.
Parcel = tuple[Claimed, dict[str, Any]]

# Over a slow link events are created while the images of later ones are still on their way.
_POST_EVERY = 2.0


class CloudDestination:
    """Implements `Destination` over the Vision Events API.

    Creating an event under an id that exists replaces it, so an event whose answer was lost is
    simply sent again. Source ids are remembered, so that a retry repeats only the step that failed.
    """

    def __init__(self, client: VisionEventsClient, store: EventStore, route: Route, pool: Pool) -> None:
        self._client = client
        self._uploads = Uploads(client, store, route, pool)

    def deliver(self, events: Sequence[Claimed], settle: Settle) -> Trouble | None:
        judgement = Judgement(settle)
        posting = _Posting(self._client, judgement)
        waiting = list(events)
        next_post = time.monotonic() + _POST_EVERY
        digests = (sha256 for event in events for sha256 in event.images.values())
        with closing(self._uploads.run(digests)) as uploads:
            for done in uploads:
                if done.waiting and time.monotonic() < next_post:
                    continue
                if done.trouble is not None and done.trouble.is_credential:
                    return done.trouble
                ready, waiting = _sort_out(waiting, done, judgement)
                for batch in _batches(ready):
                    if (trouble := posting.send(batch)) is not None:
                        return trouble
                next_post = time.monotonic() + _POST_EVERY
        return done.trouble

    def close(self) -> None:
        self._client.close()


class _Posting:
    """The requests of one delivery that create events."""

    def __init__(self, client: VisionEventsClient, judgement: Judgement) -> None:
        self._client = client
        self._judgement = judgement

    def send(self, batch: Sequence[Parcel]) -> Trouble | None:
        """Creates the events, narrowing down whichever of them the destination cannot take."""
        if len(batch) == 1:
            return self._send_one(*batch[0])
        try:
            answer = self._client.create_events([payload for _, payload in batch])
        except DeliveryError as error:
            if not may_be_the_events_fault(error):
                return trouble_of(error)
            half = len(batch) // 2
            return self.send(batch[:half]) or self.send(batch[half:])
        created = _created(answer, [event.id for event, _ in batch])
        self._judgement.delivered(
            [event for event, _ in batch if event.id in created],
            f"Created in a batch of {len(batch)} events.",
        )
        left = [parcel for parcel in batch if parcel[0].id not in created]
        return next((trouble for parcel in left if (trouble := self._send_one(*parcel))), None)

    def _send_one(self, event: Claimed, payload: dict[str, Any]) -> Trouble | None:
        try:
            answer = self._client.create_event(payload)
        except DeliveryError as error:
            return self._judgement.failed(event, error)
        self._judgement.delivered(
            [event], "Replaced an earlier event of this id." if answer.created is False else "Created."
        )
        return None


def _sort_out(
    events: Sequence[Claimed], done: Uploaded, judgement: Judgement
) -> tuple[list[Parcel], list[Claimed]]:
    """The events whose images are there, ready to be posted, and those that still wait for some."""
    ready: list[Parcel] = []
    waiting: list[Claimed] = []
    for event in events:
        refused = next(
            (done.refused[sha256] for sha256 in event.images.values() if sha256 in done.refused), None
        )
        if refused is not None:
            judgement.rejected(event, refused)
        elif not all(sha256 in done.source_ids for sha256 in event.images.values()):
            waiting.append(event)
        else:
            try:
                ready.append((event, _payload(event, done.source_ids)))
            except (ValueError, KeyError, IndexError, TypeError) as error:
                judgement.rejected(event, f"its record in the event store is damaged: {error}")
    return ready, waiting


def _created(answer: CreatedBatch, sent: Sequence[str]) -> set[str]:
    """The ids that the answer vouches for. Fewer created than sent, and not said which: none."""
    if answer.event_ids is None:
        return set(sent) if answer.created is None or answer.created >= len(sent) else set()
    named = set(answer.event_ids) & set(sent)
    if answer.created is not None and answer.created < len(named):
        return set()
    return named


def _payload(event: Claimed, source_ids: Mapping[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(event.body)
    for (position, role), sha256 in event.images.items():
        payload["images"][position][SOURCE_KEYS[role]] = source_ids[sha256]
    return payload


def _batches(ready: Iterable[Parcel]) -> Iterator[Sequence[Parcel]]:
    """Batches of one use case each, because an unknown one is refused with all that travels with it."""

    def use_case(parcel: Parcel) -> str:
        return parcel[0].use_case

    for _, group in groupby(sorted(ready, key=use_case), key=use_case):
        parcels = list(group)
        yield from (parcels[start : start + MAX_BATCH] for start in range(0, len(parcels), MAX_BATCH))
