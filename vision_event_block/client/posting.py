"""Creates events in batches, and narrows down which of them a destination cannot take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Generic, Protocol, TypeVar

from vision_event_block.client.answers import CreatedBatch, CreatedEvent
from vision_event_block.errors import DeliveryError
from vision_event_block.event import MAX_BATCH

Payload = Mapping[str, Any]
KeyT = TypeVar("KeyT")
StopT = TypeVar("StopT")
TheKeyT = TypeVar("TheKeyT", contravariant=True)
TheStopT = TypeVar("TheStopT", covariant=True)


class Api(Protocol):
    """The two requests that create events."""

    def create_event(self, event: Payload, /) -> CreatedEvent: ...

    def create_batch(self, events: Sequence[Payload], /) -> CreatedBatch: ...


class Judge(Protocol[TheKeyT, TheStopT]):
    """Is told what became of each event, by the key that it came with."""

    def delivered(self, keys: Sequence[TheKeyT], words: str, /) -> None:
        """The destination has them."""

    def failed(self, key: TheKeyT, error: DeliveryError, /) -> TheStopT | None:
        """A request with just this event failed. An answer but None ends the posting."""

    def stopped(self, error: DeliveryError, /) -> TheStopT:
        """A request failed for a reason that has nothing to do with the events in it."""


class Posting(Generic[KeyT, StopT]):
    """Posts payloads, each with a key by which the judge knows it."""

    def __init__(self, api: Api, judge: Judge[KeyT, StopT]) -> None:
        self._api = api
        self._judge = judge

    def send(self, parcels: Iterable[tuple[KeyT, Payload]]) -> StopT | None:
        """Creates all events; returns what the judge said when it ended the posting early."""
        rest = iter(parcels)
        while parcels := list(islice(rest, MAX_BATCH)):
            for batch in _by_use_case(parcels):
                if (stop := self._send(batch)) is not None:
                    return stop
        return None

    def _send(self, batch: Sequence[tuple[KeyT, Payload]]) -> StopT | None:
        if len(batch) == 1:
            return self._send_one(*batch[0])
        try:
            answer = self._api.create_batch([payload for _, payload in batch])
        except DeliveryError as error:
            if not error.may_be_the_events_fault:
                return self._judge.stopped(error)
            half = len(batch) // 2
            return self._send(batch[:half]) or self._send(batch[half:])
        created = _created(answer, [payload["eventId"] for _, payload in batch])
        there = [key for key, payload in batch if payload["eventId"] in created]
        if there:
            self._judge.delivered(there, f"Created in a batch of {len(batch)} events.")
        left = [parcel for parcel in batch if parcel[1]["eventId"] not in created]
        return next((stop for parcel in left if (stop := self._send_one(*parcel)) is not None), None)

    def _send_one(self, key: KeyT, payload: Payload) -> StopT | None:
        try:
            answer = self._api.create_event(payload)
        except DeliveryError as error:
            return self._judge.failed(key, error)
        replaced = answer.created is False
        self._judge.delivered([key], "Replaced an earlier event of this id." if replaced else "Created.")
        return None


def _created(answer: CreatedBatch, sent: Sequence[str]) -> set[str]:
    """The ids that the answer vouches for. Fewer created than sent, and not said which: none."""
    if answer.event_ids is None:
        return set(sent) if answer.created is None or answer.created >= len(sent) else set()
    named = set(answer.event_ids) & set(sent)
    if answer.created is not None and answer.created < len(named):
        return set()
    return named


def _by_use_case(
    parcels: Iterable[tuple[KeyT, Payload]],
) -> Iterator[list[tuple[KeyT, Payload]]]:
    """Batches of one use case each, because an unknown one is refused with all that travels with it."""

    def use_case(parcel: tuple[KeyT, Payload]) -> str:
        return str(parcel[1].get("useCaseId"))

    for _, group in groupby(sorted(parcels, key=use_case), key=use_case):
        yield list(group)
