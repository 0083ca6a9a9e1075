"""A power cut at any moment: the disk forgets what was not synced, in part, in any order, torn in the middle."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import a_frame
from tests.faults.conftest import scales
from tests.faults.judge import Verdict
from tests.faults.power.replay import cuts, read_journal
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc")


@pytest.mark.skipif(COMPILER is None and not os.environ.get("CI"), reason="there is no C compiler")
@pytest.mark.parametrize("images", ["inside", "beside"])
@scales(30)
def test_what_was_told_outlives_a_power_cut(tmp_path, make_recorder, ledger, images, scale):
    """Recorded stays recorded, delivered stays delivered, images are whole, and the file is sound."""
    shim, folder, journal = tmp_path / "journal.so", tmp_path / "device", tmp_path / "journal"
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-o", shim, ROOT / "tests/faults/power/journal.c", "-ldl"],
        check=True,
    )
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.faults.power.recording", folder, str(60 * min(scale, 5)), images], cwd=ROOT, check=True, timeout=300,
        env={**os.environ, "LD_PRELOAD": str(shim), "POWER_FOLDER": str(folder), "POWER_JOURNAL": str(journal)},
    )  # fmt: skip
    operations = read_journal(journal)
    written = {operation.name for operation in operations if operation.what == "W"}
    assert {"events.db", "events.db-wal"} <= written, "the journal saw nothing"
    segments = {name for name in written if name.startswith("events.db.images/")}
    unlinked = {operation.name for operation in operations if operation.what == "U"}
    assert bool(segments) == bool(segments & unlinked) == (images == "beside")
    # Checkpoints are where the file itself is written.
    syncs = sum(operation.name == "events.db" for operation in operations if operation.what == "S")
    assert syncs > (2 if images == "inside" else 0)
    chance = random.Random(scale)
    points = [chance.randrange(len(operations)) for _ in range(60 * scale)]
    broken: list[str] = []
    tried = 0
    for told, place in cuts(operations, points, tmp_path, chance):
        broken += _broken_promises(told, place)
        tried += told.count("recorded")
        shutil.rmtree(place)
    assert not broken
    ledger(
        f"power cut, images {images} the database",
        f"at {len(points)} points of a recording",
        Verdict(tried, len(broken), 0, 0, 0, 0),
    )
    assert tried > 60


def _broken_promises(told: str, place: Path) -> list[str]:
    """What was told and is not so, for people."""
    recorded = {line.partition(" ")[2] for line in told.splitlines() if line.startswith("recorded")}
    delivered = {line.partition(" ")[2] for line in told.splitlines() if line.startswith("delivered")}
    if not recorded:
        return []
    store = SQLiteEventStore(place / "events.db", Quota(10**9))
    there = {event.id: event for event in store.catalog.events(limit=10_000)}
    broken = []
    # What was delivered may have been pruned; what is still there must not be pending again.
    for event_id in recorded - delivered:
        images = (
            [store.image(sha256) for sha256 in there[event_id].images.values()] if event_id in there else []
        )
        if not images or None in images:
            broken.append(f"{place.name}: {event_id!r} is {'damaged' if event_id in there else 'missing'}")
    broken += [
        f"{place.name}: {event_id} is pending again"
        for event_id in delivered
        if event_id in there and there[event_id].state == "pending"
    ]
    counts = store.counts()
    assert counts.recorded == counts.pending + counts.delivered + counts.rejected + counts.dropped
    store.close()
    assert list(place.glob("*corrupt*")) == []
    with sqlite3.connect(place / "events.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return broken


def test_a_copy_of_the_files_taken_between_two_commits_is_a_store(tmp_path, make_recorder):
    """As a snapshot or a backup program of the device takes it, while it records."""
    recorder = make_recorder(backup=False)
    ids = [recorder.record(use_case="uc", image=a_frame(number)).event_id for number in range(20)]
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("events.db", "events.db-wal"):
        shutil.copy(tmp_path / name, copy / name)
    assert _broken_promises("".join(f"recorded {event_id}\n" for event_id in ids), copy) == []
