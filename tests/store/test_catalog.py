"""What the catalog finds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.store.conftest import an_event, deliver, told
from vision_event_block.store.listing import Condition, Filter

START = datetime(2026, 5, 4, tzinfo=timezone.utc)


@pytest.fixture
def catalog(store):
    """Six events, one an hour."""
    for number in range(6):
        store.record([
            told(
                f"n{number}",
                (START + timedelta(hours=number)).timestamp(),
                use_case=["uc", "other"][number // 4],
                event_type=["custom", "quality_check", "safety_alert"][number % 3],
                classes=frozenset(["dent", "it's; --"] if number % 2 else ["scratch"]),
                body={
                    "deviceId": f"Press-{number}",
                    "customMetadata": {"n": number, "even": number % 2 == 0, "a b": "x", "digit": str(number)},
                },
            )
        ])  # fmt: skip
    return store.catalog


def _ids(events) -> str:
    return "".join(event.id[1:] for event in events)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(), "543210"),
        (Filter(use_case="other"), "54"),
        (Filter(event_types=("custom", "safety_alert")), "5320"),
        (Filter(states=("delivered",)), "543210"),
        (Filter(states=("pending", "rejected")), ""),
        (Filter(class_name="dent"), "531"),
        (Filter(class_name="it's; --"), "531"),
        (Filter(class_name="' OR 1=1 --"), ""),
        (Filter(since=(START + timedelta(hours=2)).timestamp(), until=(START + timedelta(hours=4)).timestamp()), "32"),
        (Filter(conditions=(Condition(("customMetadata", "n"), "gte", 3),)), "543"),
        (Filter(conditions=(Condition(("customMetadata", "n"), "lt", 1.5),)), "10"),
        (Filter(conditions=(Condition(("customMetadata", "even"), "eq", True),)), "420"),
        (Filter(conditions=(Condition(("customMetadata", "even"), "neq", True),)), "531"),
        (Filter(conditions=(Condition(("customMetadata", "a b"), "eq", "x"),)), "543210"),
        (Filter(conditions=(Condition(("customMetadata", "digit"), "eq", 3),)), ""),
        (Filter(conditions=(Condition(("customMetadata", "digit"), "gt", "3"),)), "54"),
        (Filter(conditions=(Condition(("customMetadata", "none"), "neq", "x"),)), "543210"),
        (Filter(conditions=(Condition(("customMetadata", "none"), "lt", "x"),)), ""),
        (Filter(conditions=(Condition(("deviceId",), "contains", "press-2"),)), "2"),
        (Filter(conditions=(Condition(("deviceId",), "contains", "%"),)), ""),
        (Filter(use_case="uc", class_name="dent", event_types=("quality_check",)), "1"),
    ],
)  # fmt: skip
def test_a_filter_leaves_what_fulfils_all_of_it(catalog, wanted, ids):
    """The latest capture first."""
    assert _ids(catalog.events(wanted)) == ids


def test_a_cursor_goes_on_where_the_last_page_ended(catalog, store):
    """Also among events of one moment, and while new ones come in."""
    store.record([told(f"n{number}", START.timestamp()) for number in (6, 7, 8)])
    seen, after = "", None
    while page := catalog.events(limit=2, after=after):
        seen += _ids(page)
        after = page[-1].cursor
        store.record([told(f"n9{len(seen)}", (START + timedelta(days=1)).timestamp())])
    assert seen == "543218760"


def test_what_happened_over_time_is_counted_by_type(catalog):
    """In equal parts; the end is left out."""
    series = catalog.over_time(START, START + timedelta(hours=4), 2)
    assert series == [{"custom": 1, "quality_check": 1}, {"safety_alert": 1, "custom": 1}]


def test_classes_are_listed_once_each(catalog):
    """However many events show them."""
    assert catalog.classes() == ["dent", "it's; --", "scratch"]
    assert catalog.classes(limit=1) == ["dent"]


def test_an_event_that_is_gone_is_in_no_list(catalog, store):
    """Its classes go with it."""
    store.drop([f"n{number}" for number in range(6)])
    assert catalog.events() == []
    assert catalog.classes() == []
    assert catalog.event("n1") is None
    assert catalog.history("n1") == []


def test_an_event_tells_all_that_is_known_of_it(store, clock):
    """Times, reason, attempts, and where it goes."""
    from tests.store.conftest import ROUTE, an_event

    store.record([an_event(1, "a", "b")])
    clock.now += 5
    deliver(store, "rejected", "the lid is upside down")
    event = store.catalog.event("e1")
    assert (event.state, event.reason, event.route) == ("rejected", "the lid is upside down", ROUTE)
    assert event.settled_at - event.recorded_at == 5
    assert set(event.images) == {(0, "input"), (0, "output")}


def test_ids_are_found_by_how_they_begin(store):
    """Whatever signs they are made of."""
    store.record([told("ab-1"), told("ab-2"), told("b%_"), told("bé")])
    assert store.catalog.ids_starting_with("ab") == ["ab-1", "ab-2"]
    assert store.catalog.ids_starting_with("ab", limit=1) == ["ab-1"]
    assert store.catalog.ids_starting_with("b%") == ["b%_"]
    assert store.catalog.ids_starting_with("bé") == ["bé"]
    assert store.catalog.ids_starting_with("%") == []


def test_use_cases_are_counted_by_state_with_the_latest_reason(store):
    """In the order of their names."""
    store.record([an_event(n) for n in range(3)] + [told("h1", 5.0, use_case="home")])
    deliver(store, "rejected", "too old", limit=1)
    deliver(store, limit=1)
    home, uc = store.catalog.by_use_case()
    assert (home.use_case, home.pending, home.delivered, home.rejected) == ("home", 0, 1, 0)
    assert (home.last_captured_at, home.last_reason) == (5.0, "")
    assert (uc.use_case, uc.pending, uc.delivered, uc.rejected, uc.last_reason) == ("uc", 1, 1, 1, "too old")
