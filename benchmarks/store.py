"""The event store and the backup with a great many events: prints figures as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests

from vision_event_block.event import VisionEvent
from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings
from vision_event_block.store.model import NewEvent, Quota, Route
from vision_event_block.store.sqlite import SQLiteEventStore

SIZES = (1_000, 100_000, 1_000_000)
BACKLOG = 100_000
LATENCY = 0.05
ROUTE = Route("cloud", "key")
BODY = VisionEvent(
    event_type="quality_check", use_case_id="uc", timestamp="2026-01-01T00:00:00Z", event_data={"result": "fail"},  # type: ignore[arg-type]
    custom_metadata={"shift": "B", "torque": 4.2},
).to_json()  # fmt: skip


def an_event(number: int, route: Route = ROUTE) -> NewEvent:
    """Without an image; ids are as random as real ones."""
    return NewEvent(
        os.urandom(16).hex(), route, "quality_check", "uc", 1.7e9 + number, BODY, classes=frozenset({"dent"})
    )


def milliseconds(
    action: Callable[[int], object], count: int, after: Callable[[int], object] = lambda number: None
) -> float:
    """The median of many; what is done after each is not counted."""
    took = []
    for number in range(count):
        before = time.perf_counter()
        action(number)
        took.append(time.perf_counter() - before)
        after(number)
    return 1000 * statistics.median(took)


def with_many_events(folder: Path) -> dict[str, dict[str, float]]:
    """Record one event, and claim a hundred, at each size of the store."""
    store = SQLiteEventStore(folder / "events.db", Quota(2**35, records=10**7))
    figures = {}
    there = 0
    for size in SIZES:
        while there < size:
            store.record([an_event(number) for number in range(there, min(there + 2000, size))])
            there = min(there + 2000, size)
            store.tidy()

        def claim(number: int) -> None:
            store.queue.claim(ROUTE, f"t{number}", 60, 100)

        def release(number: int) -> None:
            store.queue.release(f"t{number}")

        def record(number: int) -> None:
            store.record([an_event(number)])
            store.tidy()

        record(0)
        figures[str(size)] = {"record": milliseconds(record, 400), "claim": milliseconds(claim, 60, release)}
    store.close()
    return figures


def drain(folder: Path, url: str) -> dict[str, float]:
    """Events a second out of a backlog without images, and the limit: one batch of a hundred after the other."""
    recorder = Recorder(
        Settings(store=str(folder / "backlog.db"), api_base_url=url, api_key="key", exit_flush_seconds=0)
    )  # type: ignore[arg-type]
    route = recorder.route()
    for first in range(0, BACKLOG, 2000):
        recorder.store.record([_deliverable(number, route) for number in range(first, first + 2000)])
    requests.get(f"{url}/control/latency/{LATENCY}", timeout=10)
    requests.get(f"{url}/control/reset", timeout=10)
    began = time.monotonic()
    recorder.resume()
    while recorder.store.counts().pending:
        time.sleep(0.2)
    took = time.monotonic() - began
    arrived = requests.get(f"{url}/control/stats", timeout=60).json()
    recorder.close()
    return {
        "rate": BACKLOG / took, "limit": 100 / LATENCY, "requests": arrived["requests"],
        "arrived": len({event_id for event_id, _ in arrived["arrived"]}),
    }  # fmt: skip


def _deliverable(number: int, route: Route) -> NewEvent:
    event = VisionEvent.model_validate_json(BODY).model_copy(update={"event_id": f"b{number}"})
    return NewEvent.of(event, route, {})


def main(url: str) -> None:
    """Both."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"drain": drain(Path(folder), url)}), flush=True)
        print(json.dumps({"with many events": with_many_events(Path(folder))}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
