"""A store whose file is damaged: recording goes on, what can be read is saved, and nothing wrong is sent."""

from __future__ import annotations

import json
import random
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from tests.conftest import wait_until
from tests.faults.conftest import scales
from tests.faults.driver import record_frame
from tests.faults.judge import judge
from tests.site import Site
from vision_event_block.cli.app import app
from vision_event_block.errors import StoreError
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import HERE, NewEvent, Quota, Route
from vision_event_block.store.sqlite import SQLiteEventStore

ROUTE = Route("cloud", "key")
EVENTS = 60


def an_event(number: int, route: Route = ROUTE) -> NewEvent:
    """With an image of nine kilobytes that only its number tells."""
    image = EncodedImage.of(random.Random(number).randbytes(9000), "image/jpeg", 4, 3)
    event = VisionEvent(
        event_id=f"e{number}", event_type="custom", use_case_id="uc", timestamp=datetime.now(timezone.utc),
        images=[{"label": "x"}],
    )  # fmt: skip
    return NewEvent.of(event, route, {(0, "input"): image})


def a_store(folder: Path, **route: Route) -> SQLiteEventStore:
    return SQLiteEventStore(folder / "events.db", Quota(10**9))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The file of a store that was closed."""
    store = a_store(tmp_path)
    for first in range(0, EVENTS, 6):
        store.record([an_event(number) for number in range(first, first + 6)])
    store.close()
    return tmp_path / "events.db"


def _overwrite(path: Path, at: int, size: int, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(chance.randbytes(size))


def _use(store: SQLiteEventStore, number: int) -> None:
    """All that a device does with its store. Only what the store promises may be raised."""
    actions = [
        lambda: store.record([an_event(1000 + number)]),
        lambda: [store.image(sha256) for event in store.queue.claim(ROUTE, "t", 0.0, 500) for sha256 in event.images.values()],
        lambda: store.catalog.events(limit=1000), store.counts, store.salvage, store.prune,
    ]  # fmt: skip
    for action in actions:
        try:
            action()
        except StoreError:
            continue


@scales(20)
def test_bytes_overwritten_anywhere_stop_nothing_and_cost_only_what_was_there(tmp_path, filled, scale):
    """Recording goes on in the same call; what is left of an event is what was recorded, or nothing."""
    sound = filled.read_bytes()
    saved = []
    for seed in range(25 * scale):
        chance = random.Random(seed)
        for other in tmp_path.iterdir():
            other.unlink()
        filled.write_bytes(sound)
        for _ in range(chance.choice([1, 1, 3])):
            size = chance.choice([1, 16, 512, 4096])
            _overwrite(filled, chance.randrange(len(sound) - size), size, chance)
        store = a_store(tmp_path)
        for number in range(3):
            _use(store, number)
        there = {event.id: event for event in store.catalog.events(limit=1000)}
        assert {"e1000", "e1001", "e1002"} <= set(there), seed
        for event_id, event in there.items():
            expected = an_event(int(event_id[1:]))
            for place, sha256 in event.images.items():
                image = store.image(sha256)
                assert image is None or image.data == expected.images[place].data
        saved.append(sum(f"e{number}" in there for number in range(EVENTS)))
        store.close()
    # Most of what a person would call damage costs few events or none.
    assert sorted(saved)[len(saved) // 10] > EVENTS * 0.7


@pytest.mark.parametrize(
    ("at", "size"),
    [(0, 16), (0, 4096), (18, 2), (60, 4), (100, 8)],
    ids=["name", "page", "format", "version", "tables"],
)
def test_a_first_page_that_is_damaged_costs_nothing(filled, tmp_path, at, size):
    """Without it SQLite reads nothing at all; and what it says is always the same."""
    _overwrite(filled, at, size, random.Random(7))
    store = a_store(tmp_path)
    for number in range(2):
        _use(store, number)
    ids = {event.id for event in store.catalog.events(limit=1000)}
    assert {f"e{number}" for number in range(EVENTS)} <= ids
    store.close()


def test_an_index_that_is_damaged_costs_nothing(filled, tmp_path):
    """Each of them: the tables are read without."""
    sound = filled.read_bytes()
    with sqlite3.connect(filled) as connection:
        roots = connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'index'").fetchall()
    assert len(roots) > 8
    for name, root in roots:
        for other in tmp_path.iterdir():
            other.unlink()
        filled.write_bytes(sound)
        _overwrite(filled, (root - 1) * 4096, 4096, random.Random(root))
        store = a_store(tmp_path)
        for number in range(2):
            _use(store, number)
        there = {event.id: event for event in store.catalog.events(limit=1000)}
        assert {f"e{number}" for number in range(EVENTS)} <= set(there), name
        assert all(store.image(sha256) for event in there.values() for sha256 in event.images.values()), name
        store.close()


def test_the_backup_saves_and_delivers_what_a_damaged_store_held(
    quick, make_recorder, cloud, tmp_path, ledger
):
    """By itself: nobody has to know that there is such a thing."""
    recorder = make_recorder(backup=False)
    told = [record_frame(recorder, "s", number) for number in range(40)]
    recorder.close()
    _overwrite(tmp_path / "events.db", 40, 4000, random.Random(1))
    recorder = make_recorder(cloud)
    told += [record_frame(recorder, "s", number) for number in range(40, 45)]
    wait_until(lambda: set(told) <= cloud.ids)
    wait_until(lambda: recorder.store.counts().pending == 0)
    ledger(
        "damaged file", "4 KB of the event store overwritten", judge(cloud.site.store, told, cloud.requests)
    )
    (kept,) = tmp_path.glob("events.db.corrupt-*.salvaged")
    assert kept.stat().st_size > 100_000


def test_events_that_belong_here_are_saved_though_they_count_as_delivered(tmp_path):
    """Nobody else has them."""
    store = a_store(tmp_path)
    store.record([an_event(number, Route(HERE)) for number in range(5)])
    store.close()
    _overwrite(tmp_path / "events.db", 0, 100, random.Random(1))
    store = a_store(tmp_path)
    store.record([an_event(5, Route(HERE))])
    assert store.salvage() == 5
    assert store.salvage() == 0
    assert len(store.catalog.events()) == 6
    store.close()


def test_an_image_with_other_bytes_than_were_recorded_is_not_sent(quick, make_recorder, cloud, tmp_path):
    """SQLite does not notice; the digest does. The event is set aside, the next ones flow on."""
    recorder = make_recorder(backup=False)
    hurt, well = (record_frame(recorder, "s", number) for number in range(2))
    sha256 = recorder.store.catalog.event(hurt).images[0, "input"]
    recorder.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("UPDATE image SET data = zeroblob(500) WHERE sha256 = ?", [sha256])
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert cloud.ids == {well}
    state, reason = recorder.store.state(hurt)
    assert state == "rejected"
    assert "image" in reason


def test_an_image_whose_name_is_damaged_is_missing_and_the_rest_flows_on(
    quick, make_recorder, cloud, tmp_path
):
    """A name that is no text any more cannot even be asked for."""
    recorder = make_recorder(backup=False)
    hurt, well = (record_frame(recorder, "s", number) for number in range(2))
    recorder.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute(
            "UPDATE event_image SET sha256 = CAST(? AS TEXT) WHERE event_seq = 1", [b"\xed" + b"0" * 63]
        )
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert cloud.ids == {well}
    assert recorder.store.state(hurt)[0] == "rejected"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        '{"images": 3}',
        '{"images": []}',
        "\x00",
        '{"images": [null]}',
        json.dumps("x"),
        b'{"eventId": "\xff"}',
    ],
)
def test_a_row_that_makes_no_sense_is_set_aside_and_the_rest_flows_on(
    quick, make_recorder, cloud, tmp_path, body
):
    """Also where it is only looked at, on the page and in the terminal."""
    recorder = make_recorder(backup=False)
    hurt, well = (record_frame(recorder, "s", number) for number in range(2))
    recorder.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("UPDATE event SET body = CAST(? AS TEXT) WHERE id = ?", [body, hurt])
    for command in (["list"], ["show", hurt], ["list", "--json"], ["show", hurt, "--json"], ["status"]):
        done = CliRunner().invoke(app, ["--store", str(tmp_path / "events.db"), *command])
        assert done.exit_code == 0, done.output
    site = Site(tmp_path, store=str(tmp_path / "events.db"), server_keys="")
    for path in ("/", f"/events/{hurt}", "/v2/events/latest/query?limit=5"):
        assert requests.get(site.url + path, timeout=10).status_code == 200, path
    site.close()
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert cloud.ids == {well}
    assert recorder.store.state(hurt)[0] == "rejected"
