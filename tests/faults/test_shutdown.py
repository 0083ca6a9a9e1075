"""Processes that end: what they were handed is on disk, delivered then or later, and nothing hangs."""

from __future__ import annotations

import pytest

from tests.conftest import wait_until
from tests.faults.judge import judge
from tests.link import Fault


def test_what_was_handed_over_is_on_disk_when_the_interpreter_exits(start, cloud, make_recorder, ledger):
    """`wait_for: nothing`, and the main thread ends at once; the next start delivers."""
    told = set(start("s", 30, "nothing", VISION_EVENTS_BACKUP="false").ids())
    recorder = make_recorder(cloud)
    assert told == {event.id for event in recorder.store.catalog.events(limit=100)}
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0)
    ledger("interpreter exit", "handed over, nothing awaited", judge(cloud.site.store, told, cloud.requests))


def test_a_process_that_ends_delivers_within_its_bound(start, cloud, ledger):
    """All of it, where the destination is there."""
    told = set(start("s", 40, VISION_EVENTS_EXIT_FLUSH_SECONDS="30").ids())
    ledger("interpreter exit", "with time to flush", judge(cloud.site.store, told, cloud.requests))


@pytest.mark.parametrize("seconds", ["0", "1"])
def test_a_process_ends_in_time_while_the_destination_hangs(start, cloud, seconds):
    """A bounded flush, no hanging thread."""
    cloud.fault = lambda request: Fault(delay=30)
    process = start("hang", 5, VISION_EVENTS_EXIT_FLUSH_SECONDS=seconds)
    assert len(process.ids()) == 5
    assert process.process.returncode == 0
