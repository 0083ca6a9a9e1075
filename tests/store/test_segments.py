"""Large images lie beside the database: as durable, as bounded and as whole as what is in it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from tests.faults.driver import small_segments
from tests.store.conftest import ROUTE, accounts_add_up, an_event, deliver
from vision_event_block.errors import StoreFull, StoreUnavailable
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import NewEvent, Outcome, Quota
from vision_event_block.store.sqlite import SQLiteEventStore


@pytest.fixture
def make_store(tmp_path: Path):
    made: list[SQLiteEventStore] = []

    def make(quota: int = 10**9) -> SQLiteEventStore:
        with small_segments():
            made.append(SQLiteEventStore(tmp_path / "events.db", Quota(quota, days=1e-9)))
        return made[-1]

    yield make
    for store in made:
        store.close()


def large(number: int, size: int = 3000) -> NewEvent:
    """An event with an image of that many bytes, three of which fill a segment."""
    image = EncodedImage.of(random.Random(number).randbytes(size), "image/jpeg", 4, 3)
    return NewEvent(f"e{number}", ROUTE, "custom", "uc", 0.0, "{}", {(0, "input"): image})


def image_of(store: SQLiteEventStore, number: int, size: int = 3000):
    return store.image(large(number, size).images[0, "input"].sha256)


def segments_of(folder: Path) -> list[Path]:
    return sorted((folder / "events.db.images").iterdir())


def test_only_large_images_of_several_events_go_beside_the_database(tmp_path):
    """A small one, or one that comes alone, is not worth a sync of its own."""
    store = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    store.record([large(1, 65_535), large(2, 65_535)])
    store.record([large(3, 65_536)])
    assert not (tmp_path / "events.db.images").exists()
    store.record([large(4, 65_536), large(5, 65_535)])
    assert [path.stat().st_size for path in segments_of(tmp_path)] == [65_536]
    assert all(image_of(store, number, 65_536 if number in (3, 4) else 65_535) for number in range(1, 6))
    store.close()


def test_images_are_the_same_after_opening_again_and_in_another_process_of_the_store(make_store):
    """Not only in the memory of who recorded them."""
    store = make_store()
    store.record([large(number) for number in range(10)])
    for other in (make_store(), make_store()):
        assert [image_of(other, number).data for number in range(10)] == [
            large(number).images[0, "input"].data for number in range(10)
        ]


def test_the_room_of_what_was_pruned_goes_back_to_the_disk(make_store, tmp_path):
    """Segment by segment, the last one too."""
    store = make_store()
    store.record([large(number) for number in range(30)])
    before = store.counts().bytes
    assert len(segments_of(tmp_path)) > 5
    assert deliver(store) == 30
    store.prune()
    assert segments_of(tmp_path) == []
    assert store.counts().bytes < before - 80_000
    store.record([large(99)])
    assert image_of(store, 99) is not None


def test_what_is_alive_moves_out_of_a_segment_that_is_mostly_dead(make_store, tmp_path):
    """Or a rejected event here and there would hold the room of all that was delivered around it."""
    store = make_store()
    store.record([large(number) for number in range(40)])
    claimed = store.queue.claim(ROUTE, "t", 60, 100)
    kept = [event for event in claimed if event.seq % 8 == 1]
    store.queue.settle(
        "t", [Outcome(event.seq, "rejected" if event in kept else "delivered") for event in claimed]
    )
    for _ in range(10):
        store.prune()
    assert sum(path.stat().st_size for path in segments_of(tmp_path)) < 2 * 3000 * len(kept) + 10_000
    assert all(image_of(store, event.seq - 1).data for event in kept)
    assert accounts_add_up(store)


def test_pending_images_fill_the_quota_and_delivered_ones_make_room(make_store):
    """Bytes count wherever they are."""
    store = make_store(600_000)
    number = _how_many_until_it_is_full(store)
    assert 20 < number < 60
    assert store.counts().bytes <= 600_000
    assert deliver(store, limit=number // 2) == number // 2
    for more in range(number // 4):
        store.record([large(1000 + more, 9000)])
    assert store.counts().pending == number - number // 2 + number // 4
    assert accounts_add_up(store)


def _how_many_until_it_is_full(store: SQLiteEventStore) -> int:
    for number in range(1000):
        try:
            store.record([large(number, 9000)])
        except StoreFull as full:
            assert "VISION_EVENTS_MAX_BYTES" in str(full)
            return number
    raise AssertionError("the store was never full")


def test_a_transaction_that_fails_leaves_nothing_that_comes_back(make_store, tmp_path):
    """What it had appended is written over."""
    store = make_store()
    store.record([large(1)])
    broken = NewEvent("e3", ROUTE, None, "uc", 0.0, "{}")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        store.record([large(2), broken])
    store.record([large(4)])
    (segment,) = segments_of(tmp_path)
    assert segment.read_bytes() == b"".join(large(number).images[0, "input"].data for number in (1, 4))
    assert image_of(store, 2) is None


def test_a_segment_that_a_killed_process_left_is_removed(make_store, tmp_path):
    """Its events were pruned, or were never recorded; nobody else would come by."""
    store = make_store()
    store.record([large(1)])
    store.close()
    left = tmp_path / "events.db.images" / "00000099"
    left.write_bytes(b"x")
    another = tmp_path / "events.db.images" / "a file of somebody"
    another.write_bytes(b"x")
    store = make_store()
    assert image_of(store, 1) is not None
    store.record([large(2)])
    assert not left.exists()
    assert another.exists()


@pytest.mark.parametrize("damage", ["missing", "short", "other bytes"])
def test_an_image_that_is_not_whole_is_none(make_store, tmp_path, damage):
    """Nothing wrong is sent, and the others are as they were."""
    store = make_store()
    store.record([large(number) for number in range(6)])
    store.close()
    first = segments_of(tmp_path)[0]
    if damage == "missing":
        first.unlink()
    else:
        first.write_bytes(first.read_bytes()[:2000] + (b"" if damage == "short" else b"x" * 10_000))
    store = make_store()
    assert image_of(store, 0) is None
    assert image_of(store, 5) is not None
    assert bool(store.catalog.check()) == (damage != "other bytes")
    store.prune()
    assert {f"e{number}" for number in range(6)} == {event.id for event in store.catalog.events()}


def test_a_damaged_database_is_salvaged_with_its_images(make_store, tmp_path):
    """They are set aside with it, and come back from there."""
    store = make_store()
    for number in range(20):
        image = large(number).images[0, "input"]
        event = VisionEvent(
            event_id=f"e{number}", event_type="custom", use_case_id="uc", timestamp="2026-01-01T00:00:00Z", images=[{"label": "x"}]
        )  # fmt: skip
        store.record([NewEvent.of(event, ROUTE, {(0, "input"): image})])
    store.close()
    with (tmp_path / "events.db").open("r+b") as file:
        file.write(b"\0" * 100)
    store = make_store()
    store.record([an_event(100)])
    assert store.salvage() == 20
    assert all(image_of(store, number).data for number in range(20))
    assert len(list(tmp_path.glob("events.db.corrupt-*.salvaged.images"))) == 1
    assert store.salvage() == 0


def test_images_without_their_database_are_kept_and_not_written_over(make_store, tmp_path):
    """Somebody took the database away to look at it, and may bring it back."""
    store = make_store()
    store.record([large(1)])
    store.close()
    for path in tmp_path.glob("events.db*"):
        if path.is_file():
            path.unlink()
    store = make_store()
    store.record([large(2)])
    (kept,) = tmp_path.glob("events.db.corrupt-*.images")
    assert next(kept.iterdir()).read_bytes() == large(1).images[0, "input"].data
    assert image_of(store, 2) is not None
    assert store.salvage() == 0


def test_an_image_that_moves_while_it_is_read_is_found(make_store, tmp_path):
    """The reader looks again where it is now."""
    store = make_store()
    store.record([large(number) for number in range(12)])
    store.close()
    store = make_store()
    segments = store._database.segments
    read = segments.read

    def read_late(place):
        segments.read = read
        with sqlite3.connect(tmp_path / "events.db") as connection:
            segments.compact(connection, share=2.0)
        connection.close()
        segments.unlink([place.segment])
        return read(place)

    segments.read = read_late
    assert image_of(store, 0).data == large(0).images[0, "input"].data
