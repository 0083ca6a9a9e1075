"""What happens to events that are in the store: replaced, retried, dropped, pruned, refused."""

from __future__ import annotations

import pytest

from tests.store.conftest import ROUTE, accounts_add_up, an_event, deliver, told
from vision_event_block.errors import StoreFull, UnknownImage
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import HERE, NewEvent, Outcome, Quota, Route
from vision_event_block.store.sqlite import SQLiteEventStore


def _replacing(event: NewEvent, **changes) -> NewEvent:
    from dataclasses import replace

    return replace(event, replaces=True, **changes)


def test_an_event_that_stays_here_is_delivered_when_it_is_recorded(store):
    """This store is its destination."""
    (answer,) = store.record([told("h1")])
    assert answer.state == "delivered"
    assert store.queue.routes() == {}
    assert (store.counts().delivered, store.counts().pending) == (1, 0)
    assert sum(store.latencies().counts.values()) == 0


def test_a_repeated_event_changes_nothing_and_says_that_it_is_the_same(store):
    """Whether or not it may replace."""
    event = an_event(1, "a")
    store.record([event])
    deliver(store)
    for again in (event, _replacing(event)):
        (answer,) = store.record([again])
        assert (answer.is_new, answer.is_same, answer.state) == (False, True, "delivered")
    assert accounts_add_up(store)


def test_a_different_event_replaces_only_if_it_may(store):
    """Otherwise it is told that it is not the same."""
    store.record([an_event(1, "a")])
    (answer,) = store.record([an_event(1, "b")])
    assert (answer.is_new, answer.is_same) == (False, False)
    assert store.image(store.catalog.event("e1").images[0, "input"]).data == b"a" * 100
    store.record([_replacing(an_event(1, "b"))])
    assert store.image(store.catalog.event("e1").images[0, "input"]).data == b"b" * 100
    assert store.image(EncodedImage.of(b"a" * 100, "", 1, 1).sha256) is None


def test_a_replaced_event_is_pending_again_and_the_accounts_add_up(store):
    """Also one that had been delivered, or rejected."""
    for state in ("delivered", "rejected"):
        store.record([an_event(1, state)])
        deliver(store, state)
        store.record([_replacing(an_event(1, state + "!"))])
        assert store.state("e1") == ("pending", "")
        assert accounts_add_up(store)
        assert deliver(store) == 1
        assert accounts_add_up(store)


def test_whoever_delivers_what_was_replaced_settles_nothing(store):
    """Its lease is gone; the new one is delivered after all."""
    store.record([an_event(1, "old")])
    (claimed,) = store.queue.claim(ROUTE, "old", 60, 1)
    store.record([_replacing(an_event(1, "new"))])
    assert store.queue.settle("old", [Outcome(claimed.seq, "delivered")]) == []
    assert store.state("e1") == ("pending", "")
    assert deliver(store) == 1


def test_an_event_that_comes_back_to_its_own_store_goes_on_from_there(store):
    """A step whose Event Store is the one that it records into."""
    url = Route("http://localhost:8001")
    store.record([an_event(1, "a", route=url)])
    (claimed,) = store.queue.claim(url, "step", 60, 1)
    (answer,) = store.record([an_event(1, "a", route=ROUTE)])
    assert (answer.is_new, answer.is_same) == (False, True)
    assert store.queue.settle("step", [Outcome(claimed.seq, "delivered")]) == []
    assert list(store.queue.routes()) == [ROUTE]
    assert accounts_add_up(store)


def test_an_event_must_not_show_an_image_that_is_not_there(store):
    """None of its transaction is kept."""
    known = NewEvent("k1", ROUTE, "custom", "uc", 0.0, "{}", known_images={(0, "output"): "f" * 64})
    with pytest.raises(UnknownImage, match="f" * 64):
        store.record([an_event(1, "a"), known])
    assert store.counts().recorded == 0
    assert store.catalog.event("e1") is None


def test_a_rejected_event_can_be_tried_again(store):
    """One, or all of them; the rest stays."""
    store.record([an_event(number) for number in range(3)])
    deliver(store, "rejected", "no")
    assert store.queue.retry("e1") == 1
    assert store.queue.retry("e1") == 0
    assert [store.state(f"e{number}")[0] for number in range(3)] == ["rejected", "pending", "rejected"]
    assert store.queue.retry() == 2
    assert store.counts().pending == 3
    assert accounts_add_up(store)


def test_trying_now_does_not_wait_for_the_next_attempt(store):
    """A person pressed the button."""
    store.record([an_event(1)])
    (claimed,) = store.queue.claim(ROUTE, "t", 60, 1)
    store.queue.settle("t", [Outcome(claimed.seq, "pending", "busy", due_in=300)])
    assert store.queue.claim(ROUTE, "t", 60, 1) == []
    store.queue.hurry(["e1"])
    assert len(store.queue.claim(ROUTE, "t", 60, 1)) == 1


def test_dropped_events_are_gone_with_their_images_and_counted(store):
    """What had been delivered stays counted as that."""
    store.record([an_event(number, f"image {number}") for number in range(3)])
    deliver(store, limit=1)
    assert store.drop(["e0", "e1", "e1", "nope"]) == ["e0", "e1"]
    assert store.drop(["e2"], use_case="another") == []
    counts = store.counts()
    assert (counts.delivered, counts.dropped, counts.pending, counts.kept) == (1, 1, 1, 1)
    assert accounts_add_up(store)
    assert store.image(EncodedImage.of(b"image 1" * 100, "", 1, 1).sha256) is None


def test_the_number_of_events_is_bounded_and_delivered_ones_go_first(tmp_path, clock):
    """Oldest first; pending ones never."""
    store = SQLiteEventStore(tmp_path / "few.db", Quota(10**9, records=5), clock)
    store.record([told(f"d{number}") for number in range(3)])
    store.record([an_event(1), an_event(2)])
    store.record([an_event(3)])
    assert {event.id for event in store.catalog.events()} >= {"e1", "e2", "e3"}
    store.record([an_event(4), an_event(5)])
    with pytest.raises(StoreFull, match=r"is full \(5 events"):
        store.record([an_event(6)])
    assert store.counts().pending == store.counts().kept == 5
    assert accounts_add_up(store)
    store.close()


def test_a_backlog_of_old_events_is_pruned_at_once(store, clock):
    """Not a hundred a minute, which a camera would outrun."""
    store.record([told(f"d{number}") for number in range(1000)])
    clock.now += 8 * 86_400
    store.record([told("new")])
    assert store.prune() == 1000
    assert [event.id for event in store.catalog.events()] == ["new"]


def test_refusals_are_counted_by_reason_and_outlive_the_process(store, tmp_path):
    """They are written now and then, and at the end."""
    store.refused("full", 2)
    store.refused("invalid")
    assert store.counts().refused == {"full": 2, "invalid": 1}
    store.prune()
    other = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    assert other.counts().refused == {"full": 2, "invalid": 1}
    other.close()
    store.refused("full")
    assert store.counts().refused == {"full": 3, "invalid": 1}
    store.close()
    again = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    assert again.counts().refused == {"full": 3, "invalid": 1}
    again.close()


def test_the_switch_is_seen_by_every_process_and_kept(store, tmp_path, clock):
    """On until somebody turns it off."""
    other = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    assert other.backup_switch().is_on
    clock.now = 5_000_000.0
    store.switch_backup(False)
    assert (other.backup_switch().is_on, other.backup_switch().changed_at) == (False, 5_000_000.0)
    clock.now += 10
    store.switch_backup(False)
    assert other.backup_switch().changed_at == 5_000_000.0
    other.switch_backup(True)
    assert store.backup_switch().is_on
    other.close()


def test_history_keeps_the_words_and_counts_repetitions(store, clock):
    """A destination that says the same for a day fills no disk."""
    store.record([an_event(1)])
    for _ in range(30):
        (claimed,) = store.queue.claim(ROUTE, "t", 60, 1)
        store.queue.settle("t", [Outcome(claimed.seq, "pending", "busy")])
        clock.now += 60
    store.queue.claim(ROUTE, "t", 60, 1)
    store.queue.release("t", "no answer")
    clock.now += 60
    deliver(store)
    steps = store.catalog.history("e1")
    assert [(step.what, step.words, step.times) for step in steps] == [
        ("failed", "busy", 30),
        ("waiting", "no answer", 1),
        ("delivered", "", 1),
    ]
    assert steps[0].last_at - steps[0].first_at == 29 * 60


def test_history_forgets_the_earliest_when_the_words_differ_each_time(store, clock):
    """Some servers put the number of the request into every answer."""
    store.record([an_event(1)])
    for number in range(60):
        (claimed,) = store.queue.claim(ROUTE, "t", 60, 1)
        store.queue.settle("t", [Outcome(claimed.seq, "pending", f"request {number} failed")])
        clock.now += 1
    words = [step.words for step in store.catalog.history("e1")]
    assert len(words) <= 21
    assert words[-1] == "request 59 failed"


def test_latencies_count_from_recorded_to_confirmed(store, clock):
    """Under the smallest bound that fits."""
    for number, seconds in enumerate((0.05, 3, 100_000)):
        store.record([an_event(number)])
        clock.now += seconds
        deliver(store)
    counts = store.latencies().counts
    assert {bound: number for bound, number in counts.items() if number} == {0.1: 1, 5.0: 1, float("inf"): 1}
    assert store.latencies().total == pytest.approx(100_003.05)


def test_a_use_case_that_an_event_names_is_known(store):
    """And its id can be read; a name is taken once."""
    from vision_event_block.errors import NameTaken

    store.record([told("a", use_case="seen")])
    assert [use_case.id for use_case in store.use_cases.all()] == ["seen"]
    ids = [store.use_cases.add(name).id for name in ("Prüfung Lid #7", "prufung lid 7", "???")]
    assert ids == ["prufung-lid-7", "prufung-lid-7-2", "use-case"]
    with pytest.raises(NameTaken, match="Prüfung Lid #7"):
        store.use_cases.change("seen", name="Prüfung Lid #7")
    assert store.use_cases.change("nope", name="x") is None
    store.use_cases.change("seen", is_active=False)
    assert [use_case.id for use_case in store.use_cases.all(is_active=False)] == ["seen"]


def test_events_of_other_destinations_are_routes_of_their_own(store):
    """Each waits for its own."""
    routes = [ROUTE, Route("http://a:8001"), Route(HERE)]
    store.record([an_event(number, route=route) for number, route in enumerate(routes)])
    assert set(store.queue.routes()) == {ROUTE, Route("http://a:8001")}


def test_hurrying_all_tries_every_route_again(store):
    """What waits for its next attempt is due, and no circuit is open."""
    store.record([an_event(1), an_event(2)])
    for claimed in store.queue.claim(ROUTE, "t", 60, 2):
        store.queue.settle("t", [Outcome(claimed.seq, "pending", "busy", due_in=300)])
    store.queue.trip(ROUTE, 3, 300, "down")
    store.queue.hurry()
    assert store.queue.next_due(ROUTE) == 0.0
    assert store.queue.routes()[ROUTE].open_until == 0.0


def test_what_waits_for_an_old_key_goes_with_a_new_one(store):
    """All that is pending there and free; what is being delivered stays, as does what other keys have."""
    store.record([an_event(n) for n in range(3)] + [an_event(9, route=Route("cloud", "another"))])
    (held,) = store.queue.claim(ROUTE, "t", 60, 1)
    assert store.queue.reroute(ROUTE, Route("cloud", "new")) == 2
    assert {e.id for e in store.queue.claim(Route("cloud", "new"), "u", 60, 10)} == {"e0", "e1", "e2"} - {
        held.id
    }
    assert store.queue.settle("t", [Outcome(held.seq, "delivered")]) == [held.seq]
    assert store.catalog.event("e9").route == Route("cloud", "another")
