"""Processes that are killed at random moments: what was told to somebody is there, once."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import environment, scales
from tests.faults.driver import record_frame
from tests.faults.judge import judge
from tests.faults.service import ROOT
from tests.link import Fault
from tests.site import KEY
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore


class Nursery:
    """Recorders that share a store and live for a moment."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.kills: list[float] = []
        self._told = folder / "told"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery", str(self._told)], cwd=ROOT, text=True,
            env=environment(folder / "events.db", **settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def round(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Recorders live so long; then all of them are killed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{seconds}\n")
        stdin.flush()
        meanwhile()
        self.kills.append(float(stdout.readline()))

    def close(self) -> set[str]:
        """Ends it; every id that was told."""
        self._process.communicate(timeout=60)
        told = self._told.read_text().splitlines() if self._told.exists() else []
        assert "NOT RECORDED" not in told
        return set(told)


def _is_sound(store: Path) -> bool:
    with sqlite3.connect(store) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@scales(300)
def test_recorders_killed_at_random_moments_lose_nothing(
    quick, tmp_path, cloud, make_recorder, ledger, scale
):
    """Two on one store, killed together with the backup in them; the next ones carry on."""
    nursery = Nursery(tmp_path, cloud_url=cloud.url)
    chance = random.Random(scale)
    for _ in range(8 * scale):
        nursery.round(chance.uniform(0.02, 0.3))
    told = nursery.close()
    assert len(told) > 8 * scale
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0, 60 + scale, "what the killed left is delivered")
    verdict = judge(cloud.site.store, told, cloud.requests, nursery.kills)
    ledger("SIGKILL of recorder and backup", f"{len(nursery.kills)} rounds, two processes each", verdict)
    assert _is_sound(tmp_path / "events.db")


@scales(40)
def test_recorders_killed_while_the_cloud_is_slow_lose_nothing(
    quick, tmp_path, cloud, make_recorder, ledger, scale
):
    """In the middle of uploads and of batches."""
    cloud.fault = lambda request: Fault(delay=0.05)
    nursery = Nursery(tmp_path, cloud_url=cloud.url)
    chance = random.Random(scale)
    for _ in range(5 * scale):
        nursery.round(chance.uniform(0.2, 0.6))
    told = nursery.close()
    cloud.fault = lambda request: None
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0, 60 + scale)
    verdict = judge(cloud.site.store, told, cloud.requests, nursery.kills)
    ledger("SIGKILL amid slow requests", f"{len(nursery.kills)} rounds, 50 ms an answer", verdict)


@pytest.mark.parametrize("contract", ["cloud", "Event Store"])
@scales(25)
def test_a_service_killed_at_random_moments_loses_nothing(
    quick, service, make_recorder, ledger, contract, scale
):
    """What it said it stored is stored, and what it did not is sent again."""
    place = {"api_base_url": service.url, "api_key": KEY}
    if contract == "Event Store":
        place = {"destination": service.url, "event_store_key": KEY}
    recorder = make_recorder(**place)
    chance = random.Random(scale)
    told: list[str] = []
    for turn in range(3 * scale):
        told += [record_frame(recorder, "s", 60 * turn + number) for number in range(60)]
        time.sleep(chance.uniform(0, 0.15))
        service.kill()
        service.start()
    wait_until(lambda: recorder.store.counts().pending == 0, 90)
    site = SQLiteEventStore(service.store, Quota(10**10))
    ledger(f"SIGKILL of the service ({contract})", f"{3 * scale} rounds under load", judge(site, told))
    site.close()
    assert _is_sound(service.store)


@scales(40)
def test_everything_killed_at_once_loses_nothing(quick, service, tmp_path, make_recorder, ledger, scale):
    """Recorders, backup and service at the same moment, as when the power of a cabinet goes."""
    nursery = Nursery(tmp_path, cloud_url=service.url)
    chance = random.Random(scale)
    for _ in range(3 * scale):
        seconds = chance.uniform(0.2, 0.6)

        def all_of_it(seconds: float = seconds) -> None:
            time.sleep(seconds)
            service.kill()

        nursery.round(seconds, all_of_it)
        service.start()
    told = nursery.close()
    recorder = make_recorder(api_base_url=service.url, api_key=KEY)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0, 60 + scale)
    site = SQLiteEventStore(service.store, Quota(10**10))
    ledger("SIGKILL of all at once", f"{3 * scale} rounds", judge(site, told))
    site.close()


def test_two_processes_on_one_store_deliver_each_event_once(start, cloud, ledger):
    """No event is posted twice, no image uploaded twice."""
    processes = [start(name, 40, VISION_EVENTS_EXIT_FLUSH_SECONDS="30") for name in ("a", "b")]
    told = {event_id for process in processes for event_id in process.ids()}
    assert len(told) == 80
    wait_until(lambda: told <= cloud.ids, 60)
    ledger("none", "two processes share a store", judge(cloud.site.store, told, cloud.requests))
    assert sorted(cloud.writes) == sorted(told)
    assert cloud.count("/vision-events/upload") == 80


@pytest.mark.parametrize("attempt", range(6))
def test_a_fork_after_recording_neither_hangs_nor_loses(cloud, make_recorder, attempt):
    """At once, while the threads of the parent are inside SQLite and the HTTP library."""
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
