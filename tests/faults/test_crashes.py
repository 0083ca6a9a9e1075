"""A process that dies at any moment loses nothing that it told of."""

from __future__ import annotations

import random
import sqlite3
import time

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import judge
from tests.link import Fault
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore


def _rounds(start, cloud, make_recorder, tmp_path, rounds: int) -> None:
    told: set[str] = set()
    chance = random.Random(rounds)
    for number in range(rounds):
        processes = [start(f"p{number}-{index}") for index in range(2)]
        time.sleep(chance.uniform(0.0, 0.4))
        for process in processes:
            told |= set(process.kill())
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: told <= cloud.ids, 60, "what the killed left is delivered")
    wait_until(lambda: recorder.store.counts().pending == 0, 60)
    judge(cloud, told)
    assert len(told) > rounds
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    # Uploads whose answer died with the process are the only orphans that there can be.
    orphans = set(cloud.images) - cloud.referenced_images()
    assert len(orphans) <= rounds * 2 * 32


def test_a_recording_process_killed_at_random_moments_loses_nothing(start, cloud, make_recorder, tmp_path):
    """Two processes on one store, killed together, again and again."""
    _rounds(start, cloud, make_recorder, tmp_path, 8)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_rounds_of_kills_lose_nothing(start, cloud, make_recorder, tmp_path):
    """The same for an hour or so."""
    _rounds(start, cloud, make_recorder, tmp_path, 1000)


def test_a_process_killed_while_the_cloud_is_slow_loses_nothing(start, cloud, make_recorder):
    """In the middle of uploads and of batches."""
    cloud.fault = lambda request: Fault(delay=0.05)
    told: set[str] = set()
    for number in range(3):
        process = start(f"slow-{number}")
        cloud.requests.clear()
        wait_until(lambda: len(cloud.requests) > 3)
        told |= set(process.kill())
    cloud.fault = lambda request: None
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: told <= cloud.ids, 60)
    judge(cloud, told)


def test_two_processes_on_one_store_deliver_each_event_once(start, cloud):
    """No event is posted twice, no image uploaded twice."""
    processes = [start(name, 40, VISION_EVENTS_EXIT_FLUSH_SECONDS="30") for name in ("a", "b")]
    told = {event_id for process in processes for event_id in process.ids()}
    assert len(told) == 80
    wait_until(lambda: told <= cloud.ids, 60)
    judge(cloud, told)
    assert sorted(cloud.writes) == sorted(told)
    assert cloud.count("/vision-events/upload") == 80


def test_the_api_goes_away_for_a_while_and_nothing_is_lost(start, cloud, make_recorder, tmp_path):
    """The process records on, and its backlog drains when the API is back."""
    process = start("away", 1000)
    wait_until(lambda: cloud.requests)
    cloud.stop()
    seen = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    wait_until(
        lambda: any(circuit.failures for circuit in seen.queue.routes().values()),
        what="the outage is noticed",
    )
    seen.close()
    cloud.start()
    told = set(process.ids())
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: told <= cloud.ids, 60)
    judge(cloud, told)
    assert len(told) == 1000


def test_every_tenth_answer_is_lost_after_processing_and_no_event_is_there_twice(start, cloud, make_recorder):
    """The server stored what it was sent, and its answer never came."""
    cloud.fault = lambda request: Fault(drop=True, after=True) if request.number % 10 == 9 else None
    process = start("lost", 60)
    told = set(process.ids())
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: told <= cloud.ids, 90)
    wait_until(lambda: recorder.store.counts().pending == 0, 60)
    judge(cloud, told)
    assert cloud.ids == told


def test_what_was_handed_over_is_on_disk_when_the_process_ends(start, cloud, make_recorder):
    """`wait_for: nothing`, and the interpreter exits at once."""
    told = set(start("nothing", 30, "nothing", VISION_EVENTS_BACKUP="false").ids())
    recorder = make_recorder(cloud)
    assert told == {event.id for event in recorder.store.catalog.events(limit=100)}


@pytest.mark.parametrize("seconds", ["0", "1"])
def test_a_process_ends_in_time_while_the_destination_hangs(start, cloud, seconds):
    """A bounded flush, no hanging thread."""
    cloud.fault = lambda request: Fault(delay=30)
    process = start("hang", 5, VISION_EVENTS_EXIT_FLUSH_SECONDS=seconds)
    told = process.ids()
    assert len(told) == 5
    assert process.process.returncode == 0


@pytest.mark.parametrize("attempt", range(6))
def test_a_fork_after_recording_neither_hangs_nor_loses(cloud, make_recorder, attempt):
    """At once, while the threads of the parent are inside SQLite and the HTTP library."""
    import os

    recorder = make_recorder(cloud)
    first = recorder.record(use_case="uc").event_id
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            receipt = recorder.record(use_case="uc", wait_for="delivery")
            os.write(write, receipt.event_id.encode())
        finally:
            os._exit(0)
    os.close(write)
    second = os.read(read, 100).decode()
    os.waitpid(child, 0)
    third = recorder.record(use_case="uc").event_id
    wait_until(lambda: {first, second, third} <= cloud.ids)
