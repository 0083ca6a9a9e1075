"""The judge: compares every id that was ever returned with what the destination holds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.link import Request
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Role


@dataclass(frozen=True)
class Verdict:
    """What a fault cost.

    Attributes:
        events: Ids that were returned to a caller.
        lost: Of those, how many the destination does not have, or has without one of its images.
        twice: Events of one frame beyond the first.
        orphaned: Uploads that no event shows, or that repeat one, but those whose answer was lost.
        excused: Uploads whose answer was lost, so that nobody could know of them.
        disordered: Neighbours of one stream that the destination lists the other way round.
    """

    events: int
    lost: int
    twice: int
    orphaned: int
    excused: int
    disordered: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.orphaned or self.disordered)


def judge(
    store: EventStore, told: Iterable[str], requests: Iterable[Request] = (), kills: Sequence[float] = ()
) -> Verdict:
    """The verdict over the store of a destination.

    Args:
        told: Every id that was returned.
        requests: What a link in between saw.
        kills: When processes that delivered were killed (Unix times).
    """
    told = set(told)
    listed = sorted(store.catalog.events(limit=1_000_000), key=lambda event: (event.captured_at, event.seq))
    there = {event.id for event in listed if _is_whole(store, event.images, event.body)}
    # The stream and the number of its frame tell whether a frame is there twice, under whatever id.
    frames = [frame for event in listed if (frame := _frame(event.body))]
    shown = {sha256 for event in listed for sha256 in event.images.values()}
    orphaned, excused = _orphans(requests, shown, kills)
    return Verdict(
        events=len(told),
        lost=len(told - there),
        twice=sum(number - 1 for number in Counter(frames).values()),
        orphaned=orphaned,
        excused=excused,
        disordered=_disordered(frames),
    )


def _orphans(requests: Iterable[Request], shown: set[str], kills: Sequence[float]) -> tuple[int, int]:
    """Needless uploads, and those that nobody can avoid.

    The service names an image by its content, so what elsewhere would be an orphan is here an upload of the
    same bytes. It is excused if the answer to the one before was lost, or died with the process that asked.
    """
    uploads: dict[str, list[Request]] = {}
    for request in list(requests):
        if request.path == "/vision-events/upload" and request.answer and b"sourceId" in request.answer:
            uploads.setdefault(json.loads(request.answer)["sourceId"], []).append(request)
    orphaned = sum(len(made) for sha256, made in uploads.items() if sha256 not in shown)
    excused = 0
    for made in uploads.values():
        for before, after in pairwise(sorted(made, key=lambda request: request.at)):
            if before.answer_was_lost or any(before.at <= kill <= after.at for kill in kills):
                excused += 1
            else:
                orphaned += 1
    return orphaned, excused


def _is_whole(store: EventStore, images: Mapping[tuple[int, Role], str], body: str) -> bool:
    """Whether it has as many images as it was recorded with, each to the byte."""
    expected = _metadata(body).get("images", len(images))
    files = [store.image(sha256) for sha256 in images.values()]
    return len(files) == expected and all(
        file is not None and hashlib.sha256(file.data).hexdigest() == sha256
        for file, sha256 in zip(files, images.values(), strict=True)
    )


def _frame(body: str) -> tuple[str, int] | None:
    metadata = _metadata(body)
    return (metadata["stream"], metadata["number"]) if "number" in metadata else None


def _metadata(body: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body).get("customMetadata", {})
    return found


def _disordered(frames: list[tuple[str, int]]) -> int:
    latest: dict[str, int] = {}
    wrong = 0
    for stream, number in frames:
        wrong += number <= latest.get(stream, -1)
        latest[stream] = number
    return wrong
