"""Four cameras into one store, with the destination away and then back."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import LONG, environment
from tests.faults.judge import judge
from tests.faults.service import ROOT
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

STREAMS = 4


@pytest.mark.parametrize("seconds", [6.0, pytest.param(120.0, marks=LONG)])
def test_four_cameras_record_on_while_the_destination_is_away_and_back(tmp_path, service, ledger, seconds):
    """Memory is bounded, nothing is lost, the backlog drains while recording goes on, and neither end starves."""
    service.kill()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.camera", str(STREAMS)], cwd=ROOT, text=True,
        env=environment(tmp_path / "events.db", service.url, VISION_EVENTS_MAX_BYTES=str(20 * 2**30)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds / 2)
    service.start()
    time.sleep(seconds / 2)
    process.stdin.write("stop\n")
    process.stdin.flush()
    report: list[dict[str, Any]] = json.loads(process.stdout.readline())
    told = [frame["id"] for frame in report if frame["id"]]
    assert len(told) == len(report) > STREAMS * seconds
    seconds = max(frame["at"] for frame in report)
    store = SQLiteEventStore(tmp_path / "events.db", Quota(20 * 2**30))
    wait_until(lambda: store.counts().pending == 0, 60 + 3 * seconds, "the backlog is drained")
    process.communicate()
    site = SQLiteEventStore(service.store, Quota(20 * 2**30))
    verdict = judge(site, told)
    settled = sorted(
        (event.settled_at, event.recorded_at, event.id) for event in store.catalog.events(limit=10**6)
    )
    _neither_end_starves(settled, {frame["id"]: frame["at"] for frame in report}, seconds)
    # What frames hold is the hand-over at most, and what a claim uploads at once.
    early, late = (
        max(frame["memory"] for frame in report if low <= frame["at"] / seconds < high)
        for low, high in ((0, 0.25), (0.75, 1))
    )
    assert late - early < 100 * 2**20
    _tell(report, seconds, len(told), late - early)
    ledger(
        "overload",
        f"{STREAMS} streams of 1280x720 at 30 frames/s, half of {seconds:.0f} s without the destination",
        verdict,
    )
    site.close()
    store.close()


def _neither_end_starves(
    settled: list[tuple[float, float, str]], at: dict[str, float], seconds: float
) -> None:
    """Among what is delivered in the first half of the drain are the very first frame and some recorded during it."""
    first_half = settled[: len(settled) // 2]
    ages = [at[event_id] for _, _, event_id in first_half]
    assert min(ages) < 0.1 * seconds, "the oldest wait"
    drain_began = settled[0][0]
    assert sum(recorded > drain_began for _, recorded, _ in first_half) > 10, "the newest wait"


def _tell(report: list[dict[str, Any]], seconds: float, events: int, growth: int) -> None:
    def milliseconds(low: float, high: float) -> str:
        took = sorted(frame["took"] * 1000 for frame in report if low <= frame["at"] / seconds < high)
        return f"p50 {statistics.median(took):.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms"

    lines = [
        f"{events} frames in {seconds:.0f} s, memory grew by {growth / 2**20:.0f} MiB", f"away: {milliseconds(0, 0.5)}",
        f"back: {milliseconds(0.5, 1)}",
    ]  # fmt: skip

    print("\n".join(lines))
