"""What every engine of the event store promises."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.store.conftest import ROUTE, Clock, accounts_add_up, an_event
from vision_event_block.errors import StoreCorrupt, StoreFull, StoreTooNew, StoreUnavailable
from vision_event_block.store.model import NewEvent, Outcome, Quota, Route
from vision_event_block.store.sqlite import SQLiteEventStore, machine


def test_what_was_recorded_is_there_after_opening_again(store, tmp_path):
    """Events, their images, and which image belongs where."""
    store.record([an_event(1, "a", "b")])
    store.close()
    again = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    images = again.catalog.event("e1").images
    assert again.image(images[0, "input"]).data == b"a" * 100
    assert again.image(images[0, "output"]).data == b"b" * 100
    again.close()


def test_a_distinct_image_is_stored_once(store, tmp_path):
    """Images are named by their content."""
    store.record([an_event(number, "same") for number in range(5)])
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("SELECT count(*) FROM image").fetchone() == (1,)


def test_recording_an_id_again_changes_nothing_and_says_so(store):
    """The first one stays, whatever became of it."""
    store.record([an_event(1)])
    (claimed,) = store.queue.claim(ROUTE, "t", 10, 10)
    store.queue.settle("t", [Outcome(claimed.seq, "delivered")])
    (again,) = store.record([an_event(1, "picture")])
    assert (again.state, again.is_new) == ("delivered", False)
    assert store.catalog.event("e1") is None or not store.catalog.event("e1").images
    assert store.counts().recorded == 1


def test_one_bad_event_of_a_group_means_none_is_written(store):
    """All or nothing."""
    broken = NewEvent("e2", ROUTE, None, "uc", 0.0, "{}")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        store.record([an_event(1), broken])
    assert store.counts().recorded == 0
    assert store.state("e1") is None


def test_a_claimed_event_is_nobody_elses_until_its_lease_ends(store, clock):
    """Then somebody else may have it."""
    store.record([an_event(number) for number in range(3)])
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "mine", 10, 2)] == ["e0", "e2"]
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "theirs", 10, 5)] == ["e1"]
    clock.now += 11
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "new", 10, 5)] == ["e0", "e1", "e2"]


def test_a_claim_takes_from_both_ends(store):
    """A backlog neither holds up what happens now nor is left behind; one alone is the oldest."""
    store.record([an_event(number) for number in range(10)])
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "a", 10, 5)] == ["e0", "e1", "e2", "e8", "e9"]
    store.record([an_event(10)])
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "b", 10, 1)] == ["e3"]
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "c", 10, 2)] == ["e4", "e10"]
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "d", 10, 100)] == ["e5", "e6", "e7"]


def test_a_lease_that_is_renewed_does_not_end(store, clock):
    """A slow worker that lives keeps what it has."""
    store.record([an_event(1)])
    store.queue.claim(ROUTE, "mine", 10, 1)
    clock.now += 9
    store.queue.renew("mine", 10)
    clock.now += 9
    assert store.queue.claim(ROUTE, "theirs", 10, 1) == []


def test_an_outcome_counts_only_for_whom_the_event_is_leased_to(store, clock):
    """A worker that was thought dead cannot settle what another has now."""
    store.record([an_event(1)])
    (claimed,) = store.queue.claim(ROUTE, "late", 10, 1)
    clock.now += 11
    store.queue.claim(ROUTE, "new", 10, 1)
    assert store.queue.settle("late", [Outcome(claimed.seq, "rejected", "late")]) == []
    assert store.state("e1") == ("pending", "")
    assert store.queue.settle("new", [Outcome(claimed.seq, "delivered")]) == [claimed.seq]


def test_an_event_waits_while_another_lease_uploads_its_image(store):
    """So that no image is uploaded twice; once it is uploaded, nothing waits."""
    store.record([an_event(1, "shared")])
    (first,) = store.queue.claim(ROUTE, "mine", 10, 10)
    store.record([an_event(2, "shared"), an_event(3, "own")])
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "theirs", 10, 10)] == ["e3"]
    store.queue.uploaded(ROUTE, {first.images[0, "input"]: "src"})
    assert [claimed.id for claimed in store.queue.claim(ROUTE, "theirs", 10, 10)] == ["e2"]


def test_uploads_are_remembered_by_route(store):
    """A source id of one workspace means nothing in another."""
    store.record([an_event(1, "a")])
    digest = store.catalog.event("e1").images[0, "input"]
    store.queue.uploaded(ROUTE, {digest: "src-1"})
    assert store.queue.source_ids(ROUTE, [digest, "unknown"]) == {digest: "src-1"}
    assert store.queue.source_ids(Route("cloud", "other"), [digest]) == {}


def test_an_event_that_is_to_be_tried_later_is_not_claimed_before(store, clock):
    """And its attempts are counted only when the event was at fault."""
    store.record([an_event(1)])
    (claimed,) = store.queue.claim(ROUTE, "t", 10, 1)
    store.queue.settle("t", [Outcome(claimed.seq, "pending", "500", due_in=30, counts=True)])
    assert store.queue.next_due(ROUTE) == 30
    assert store.queue.claim(ROUTE, "t", 10, 1) == []
    clock.now += 31
    assert store.queue.claim(ROUTE, "t", 10, 1)[0].attempts == 1


def test_a_released_event_is_as_it_was(store):
    """Nobody's fault, nothing counted."""
    store.record([an_event(1)])
    store.queue.claim(ROUTE, "mine", 10, 1)
    store.queue.release("mine")
    assert store.queue.claim(ROUTE, "theirs", 10, 1)[0].attempts == 0


@pytest.mark.parametrize("jump", [-400 * 86400.0, 400 * 86400.0])
def test_a_clock_that_jumps_holds_nothing_up_for_long(store, clock, jump):
    """Devices start in 1970 and learn the time later."""
    store.record([an_event(1), an_event(2)])
    (claimed,) = store.queue.claim(ROUTE, "t", 10, 1)
    store.queue.settle("t", [Outcome(claimed.seq, "pending", "500", due_in=300, counts=True)])
    store.queue.claim(ROUTE, "t2", 15, 1)
    clock.now += jump
    clock.now += 1
    assert len(store.queue.claim(ROUTE, "t3", 10, 10)) == 2


@pytest.mark.parametrize("days", [-400, 400, 0.1])
def test_the_time_of_day_ends_no_lease(tmp_path, days):
    """A clock that is set must not hand a worker's events to another while it is uploading them."""
    wall, ticks = Clock(), Clock()
    store = SQLiteEventStore(tmp_path / "set.db", Quota(10**9), wall, ticks)
    store.record([an_event(1), an_event(2)])
    held, retried = store.queue.claim(ROUTE, "mine", 15, 2)
    store.queue.settle("mine", [Outcome(retried.seq, "pending", "503", due_in=5)])
    wall.now += days * 86_400
    assert store.queue.claim(ROUTE, "theirs", 15, 2) == []
    ticks.now += 6
    assert [event.id for event in store.queue.claim(ROUTE, "theirs", 15, 2)] == [retried.id]
    assert store.queue.settle("mine", [Outcome(held.seq, "delivered")]) == [held.seq]
    store.close()


def test_a_machine_that_starts_again_holds_no_lease_of_before(tmp_path, monkeypatch):
    """Its ticks begin anew, and a lease of then would lie in the future for as long as it ran."""
    ticks = Clock()
    ticks.now = 1200.0
    for boot, expected in (("first", ["e0", "e1"]), ("second", ["e0", "e1"]), ("second", [])):
        monkeypatch.setattr(machine, "this_boot", lambda boot=boot: boot)
        store = SQLiteEventStore(tmp_path / "boot.db", Quota(10**9), Clock(), ticks)
        store.record([an_event(number) for number in range(2)])
        claimed = store.queue.claim(ROUTE, boot, 15, 10)
        assert [event.id for event in claimed] == expected
        store.close()
        ticks.now = 30.0


def test_routes_are_told_with_their_circuits(store):
    """Only those that have something pending."""
    other = Route("cloud", "other")
    store.record([an_event(1), an_event(2, route=other), an_event(3, route=Route("zone"))])
    store.queue.trip(other, 3, 60, "no network")
    routes = store.queue.routes()
    assert set(routes) == {ROUTE, other, Route("zone")}
    assert (routes[other].failures, routes[other].reason) == (3, "no network")
    store.queue.close_circuit(other)
    assert store.queue.routes()[other].failures == 0
    (claimed,) = store.queue.claim(ROUTE, "t", 10, 1)
    store.queue.settle("t", [Outcome(claimed.seq, "delivered")])
    assert ROUTE not in store.queue.routes()


def test_delivered_events_leave_after_their_time_with_images_nobody_else_has(store, clock, tmp_path):
    """Pending and rejected ones stay, however old; the accounts still add up."""
    store.record([an_event(1, "a"), an_event(2, "a", "b"), an_event(3, "c")])
    first, _, third = store.queue.claim(ROUTE, "t", 10, 10)
    store.queue.settle("t", [Outcome(first.seq, "delivered"), Outcome(third.seq, "rejected", "no")])
    clock.now += 8 * 86400
    assert store.prune() == 1
    assert store.state("e1") is None
    assert store.state("e3") == ("rejected", "no")
    assert store.image(first.images[0, "input"]) is not None
    assert accounts_add_up(store)


def test_a_full_store_makes_room_by_what_is_delivered_and_then_refuses(tmp_path):
    """Pending events are never dropped."""
    store = SQLiteEventStore(tmp_path / "small.db", Quota(2_000_000))

    def record(number: int) -> None:
        store.record([an_event(number, f"{number:04}", size=50_000)])

    number = _how_many(record, StoreFull, "VISION_EVENTS_MAX_BYTES")
    assert number > 4
    claimed = store.queue.claim(ROUTE, "t", 10, 3)
    store.queue.settle("t", [Outcome(event.seq, "delivered") for event in claimed])
    record(1000)
    assert store.state("e0") is None
    assert store.counts().pending == number - 3 + 1
    assert accounts_add_up(store)
    store.close()


def test_a_damaged_file_is_kept_aside_and_recording_goes_on(store, tmp_path, caplog):
    """Never deleted, and the log says where it is; the event that met the damage is recorded."""
    store.record([an_event(1)])
    store.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{tmp_path}/events.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "events.db").write_bytes(b"no database, " * 1000)
    with caplog.at_level("ERROR"):
        store.record([an_event(2)])
    (aside,) = tmp_path.glob("events.db.corrupt-*")
    assert f"It was kept as {aside}" in caplog.text
    assert aside.read_bytes().startswith(b"no database")
    assert store.state("e2") is not None


def test_damage_in_the_middle_of_the_file_is_noticed(store, tmp_path):
    """Where the header is fine and the pages are not."""
    store.record([an_event(number, str(number), size=3000) for number in range(50)])
    store.close()
    with (tmp_path / "events.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 20)
    for number in range(3):
        store.record([an_event(100 + number)])
    assert list(tmp_path.glob("events.db.corrupt-*"))
    assert {f"e{100 + number}" for number in range(3)} <= {event.id for event in store.catalog.events()}


def test_damage_that_only_reading_meets_is_noticed_too(store, tmp_path):
    """Or the backup would stumble over it for ever while recording goes on."""
    store.record([an_event(number, str(number), size=3000) for number in range(50)])
    store.close()
    with (tmp_path / "events.db").open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096 * 40)
    _how_many(lambda number: store.catalog.events(limit=100) and store.image("x"), StoreCorrupt, "damaged")
    assert list(tmp_path.glob("events.db.corrupt-*"))
    assert store.catalog.events() == []


def test_a_file_that_was_replaced_is_opened_anew(store, tmp_path):
    """Another process set it aside; this one must not write on into the old file."""
    store.record([an_event(1)])
    (tmp_path / "events.db").rename(tmp_path / "moved.db")
    store.record([an_event(2)])
    assert store.state("e1") is None
    assert store.state("e2") is not None


def test_a_store_of_a_later_release_is_left_alone(store, tmp_path):
    """With a sentence on what to do."""
    store.record([an_event(1)])
    store.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreTooNew, match="version 99"):
        store.record([an_event(2)])
    assert not list(tmp_path.glob("*corrupt*"))


@pytest.mark.parametrize("version", [0, 7, 123_456])
def test_the_database_of_another_program_is_left_alone(store, tmp_path, version):
    """Whoever mistypes a path must not lose a file."""
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA user_version = {version}")
    before = (tmp_path / "events.db").read_bytes()
    with pytest.raises(StoreUnavailable, match="another program"):
        store.record([an_event(1)])
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    assert len((tmp_path / "events.db").read_bytes()) == len(before)
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """And works as soon as it can be."""
    (tmp_path / "file").write_text("in the way")
    store = SQLiteEventStore(tmp_path / "file" / "events.db", Quota(10**9))
    with pytest.raises(StoreUnavailable, match=r"file/events\.db"):
        store.record([an_event(1)])
    (tmp_path / "file").unlink()
    store.record([an_event(1)])
    assert store.counts().recorded == 1
    store.close()


def test_threads_and_connections_share_it(tmp_path):
    """Many writers, one file, nothing lost and nothing claimed twice."""
    stores = [SQLiteEventStore(tmp_path / "events.db", Quota(10**9)) for _ in range(3)]
    claimed: list[str] = []

    def work(store: SQLiteEventStore, base: int) -> None:
        for number in range(30):
            store.record([an_event(base + number)])
            claimed.extend(event.id for event in store.queue.claim(ROUTE, f"{base}-{number}", 60, 1))

    threads = [threading.Thread(target=work, args=(stores[index % 3], index * 1000)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].counts().recorded == 180
    assert len(claimed) == len(set(claimed)) == 180
    for store in stores:
        store.close()


def test_the_settings_that_durability_rests_on_are_set(store):
    """Each of them is easy to forget, and none would be missed before a power cut."""
    store.record([an_event(1)])
    with store._database.transaction() as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "wal_autocheckpoint",
                "auto_vacuum",
                "secure_delete",
                "foreign_keys",
            )
        }
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "auto_vacuum": 2, "secure_delete": 0,
        "foreign_keys": 1,
    }  # fmt: skip


def test_the_log_is_moved_into_the_file_before_it_grows_large(store, tmp_path):
    """Nobody waits for it inside a commit."""
    for number in range(12):
        store.record([an_event(number, str(number), size=1_000_000)])
        store.tidy()
    assert Path(f"{tmp_path}/events.db-wal").stat().st_size < 12_000_000


def _how_many(action, error: type[Exception], words: str) -> int:
    """How often the action succeeds before it raises."""
    for number in range(1000):
        try:
            action(number)
        except error as raised:
            if words in str(raised):
                return number
    raise AssertionError(f"no {error.__name__}")
