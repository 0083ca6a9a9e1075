"""The Roboflow cloud as a destination: images first, several at a time, then events in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from vision_event_block.backup.destination import Settle
from vision_event_block.backup.judgement import Judgement
from vision_event_block.backup.policy import Trouble
from vision_event_block.backup.uploads import Uploaded, Uploads
from vision_event_block.client import VisionEventsClient
from vision_event_block.client.posting import Posting
from vision_event_block.pool import Pool
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
        posting: Posting[Claimed, Trouble] = Posting(self._client, judgement)
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
                if (trouble := posting.send(ready)) is not None:
                    return trouble
                next_post = time.monotonic() + _POST_EVERY
        return done.trouble

    def close(self) -> None:
        self._client.close()
        self._uploads.close()


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


def _payload(event: Claimed, source_ids: Mapping[str, str]) -> dict[str, Any]:
    payload = event.parsed()
    for (position, role), sha256 in event.images.items():
        payload["images"][position][SOURCE_KEYS[role]] = source_ids[sha256]
    return payload
