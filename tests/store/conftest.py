"""A store with a clock of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.store.engines import ENGINES
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import HERE, NewEvent, Outcome, Quota, Route
from vision_event_block.store.sqlite import SQLiteEventStore

ROUTE = Route("cloud", "key")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock):
    made = ENGINES[request.param](tmp_path, Quota(10**9), clock)
    yield made
    made.close()


def an_event(number: int, *images: str, route: Route = ROUTE, size: int = 100) -> NewEvent:
    pictures = {
        (0, role): EncodedImage.of(content.encode() * size, "image/jpeg", 4, 3)
        for role, content in zip(("input", "output"), images, strict=False)
    }
    return NewEvent(f"e{number}", route, "custom", "uc", 0.0, "{}", pictures)


def told(event_id: str, captured_at: float = 0.0, **more: Any) -> NewEvent:
    """An event with something in it, that stays here unless it is told otherwise."""
    fields = {"route": Route(HERE), "event_type": "custom", "use_case": "uc", **more}
    body = fields.pop("body", {"customMetadata": {"n": 1}})
    return NewEvent(id=event_id, captured_at=captured_at, body=json.dumps(body), **fields)


def deliver(store: SQLiteEventStore, state: str = "delivered", reason: str = "", limit: int = 100) -> int:
    """Settles what is pending on the usual route."""
    claimed = store.queue.claim(ROUTE, "t", 60, limit)
    store.queue.settle("t", [Outcome(event.seq, state, reason) for event in claimed])
    return len(claimed)


def accounts_add_up(store) -> bool:
    counts = store.counts()
    return counts.recorded == counts.pending + counts.delivered + counts.rejected + counts.dropped
