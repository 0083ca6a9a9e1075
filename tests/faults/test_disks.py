"""A disk that is full, or that cannot be written any more: refused with a sentence, and well again afterwards."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import a_frame, wait_until
from tests.faults.judge import judge
from tests.link import Link


@pytest.fixture
def small_disk(make_disk: Callable[[str], Path]) -> Path:
    """A disk of 24 MB of its own."""
    return make_disk("24m")


def _named(stream: str, number: int) -> dict[str, object]:
    """What the judge knows a frame by."""
    return {"stream": stream, "number": number, "images": 1}


def _record_until_refused(recorder) -> tuple[list[str], str]:
    ids = []
    for seed in range(10_000):
        receipt = recorder.record(
            use_case="uc", image=a_frame(seed, 900, 1200), metadata=_named("large", seed)
        )
        if receipt.error:
            return ids, receipt.message
        ids.append(receipt.event_id)
    raise AssertionError("the disk never filled")


def test_a_disk_that_somebody_else_filled_refuses_and_takes_again_when_there_is_room(
    small_disk, make_recorder, cloud, ledger
):
    """Nothing recorded before is lost, and it is delivered from the full disk."""
    recorder = make_recorder(cloud, store=str(small_disk / "events.db"))
    cloud.stop()
    ids = [
        recorder.record(use_case="uc", image=a_frame(seed), metadata=_named("small", seed)).event_id
        for seed in range(5)
    ]
    filler = small_disk / "somebody else's"
    # Unbuffered: a buffer would fail once more when it is closed.
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 65536):
            pass
    more, message = _record_until_refused(recorder)
    assert "full" in message
    assert "VISION_EVENTS_MAX_BYTES" in message
    filler.unlink()
    ids += [*more, recorder.record(use_case="uc", image=a_frame(9999), metadata=_named("small", 5)).event_id]
    cloud.start()
    wait_until(lambda: set(ids) <= cloud.ids, 40)
    wait_until(lambda: recorder.store.counts().pending == 0)
    ledger("disk filled by others", "a 24 MB disk", judge(cloud.site.store, ids, cloud.requests))


def test_a_disk_full_of_pending_events_drains_when_the_cloud_is_back(
    small_disk, make_recorder, cloud: Link, ledger
):
    """A full disk must be left again without help: settling writes before anything is freed."""
    recorder = make_recorder(cloud, store=str(small_disk / "events.db"))
    cloud.stop()
    ids, message = _record_until_refused(recorder)
    assert "full" in message
    assert len(ids) > 10
    cloud.start()
    wait_until(lambda: set(ids) <= cloud.ids, 60)
    ledger("disk full of pending events", "a 24 MB disk", judge(cloud.site.store, ids, cloud.requests))
    wait_until(lambda: not recorder.record(use_case="uc", image=a_frame(9999, 900, 1200)).error, 20)
    assert sorted(set(cloud.writes)) == sorted(cloud.events)


def test_a_disk_that_became_read_only_refuses_and_takes_again(small_disk, make_recorder):
    """As a worn-out card does."""
    recorder = make_recorder(store=str(small_disk / "events.db"))
    assert recorder.record(use_case="uc").event_id
    recorder.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    recorder = make_recorder(store=str(small_disk / "events.db"))
    receipt = recorder.record(use_case="uc")
    assert (receipt.status, receipt.error) == ("refused", True)
    assert "cannot be used" in receipt.message
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert recorder.record(use_case="uc").event_id
