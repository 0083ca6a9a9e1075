"""Values that break a limit are mended, and every mend is told."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_event_block import mending
from vision_event_block.draft import Draft, compose
from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("use_case", [None, "", "  ", "x" * 257])
def test_a_use_case_that_is_none_is_refused_with_its_field_and_value(use_case):
    """It cannot be guessed, and cutting it would name another one."""
    with pytest.raises(InvalidEvent, match="solution"):
        mending.use_case(use_case)


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ("pass", "pass"),
        (" FAIL ", "fail"),
        (True, "pass"),
        (np.bool_(False), "fail"),
        ("maybe", None),
        (3, None),
    ],
)
def test_results_are_understood_as_people_and_blocks_write_them(given_, sent):
    """What is no result is left out, and told."""
    notes: list[str] = []
    assert mending.event_data("quality_check", {"result": given_}, notes).get("result") == sent
    assert bool(notes) == (sent is None)


@pytest.mark.parametrize(
    ("count", "sent"),
    [(3, 3), ("3", 3), (3.0, 3), (np.int64(3), 3), (np.float32(3.0), 3), ("x", None), (float("nan"), None)],
)
def test_counts_are_understood_from_any_number(count, sent):
    """Steps hand over numpy scalars, parameters come as text."""
    notes: list[str] = []
    data = mending.event_data("inventory_count", {"itemCount": count}, notes)
    assert data.get("itemCount") == sent
    assert sent is None or type(data["itemCount"]) is int


def test_data_of_other_types_is_left_out():
    """Unknown keys are forbidden by some destinations."""
    fields = {"result": "pass", "location": "x", "value": "v", "relatedEventId": "e", "externalId": "x1"}
    assert mending.event_data("custom", fields, []) == {"value": "v", "externalId": "x1"}


@pytest.mark.parametrize(
    ("key", "value", "sent_key", "sent"),
    [
        ("ok", True, "ok", True),
        ("int", np.int32(4), "int", 4),
        ("float", np.float32(0.5), "float", 0.5),
        ("nan", float("nan"), "nan", "nan"),
        ("list", [1, 2], "list", "[1, 2]"),
        ("array", np.array([1, 2]), "array", "[1, 2]"),
        ("dict", {"a": 1}, "dict", '{"a": 1}'),
        ("when", NOW, "when", "2026-06-01T00:00:00+00:00"),
        ("long", "x" * 1001, "long", "x" * 1000),
        ("a/b", 1, "a_b", 1),
        ("ü" * 200, 1, "_" * 100, 1),
        ("lone \ud800", "\ud800", "lone _", "?"),
    ],
)
def test_metadata_is_brought_within_its_limits(key, value, sent_key, sent):
    """Text, numbers and truth values under plain names."""
    assert mending.metadata({key: value}, []) == {sent_key: sent}


def test_nothing_is_lost_when_two_mended_keys_are_the_same():
    """Each keeps a name of its own."""
    assert mending.metadata({"a/b": 1, "a.b": 2, "none": None}, []) == {"a_b": 1, "a_b_2": 2}


def test_of_too_many_metadata_keys_the_first_hundred_are_kept():
    """And the number of the others is told."""
    notes: list[str] = []
    assert len(mending.metadata({f"k{number}": number for number in range(130)}, notes)) == 100
    assert "30 left out" in notes[0]


@pytest.mark.parametrize("days", [-400, -366, 2, 400])
def test_a_time_that_the_server_would_refuse_becomes_the_time_of_recording(days):
    """A clock that is wrong, a file that is old."""
    notes: list[str] = []
    assert mending.timestamp(NOW + timedelta(days=days), NOW, notes) == NOW
    assert len(notes) == 1


def test_a_naive_time_is_local_time():
    """As cameras and video readers report it."""
    local = NOW.astimezone().replace(tzinfo=None) - timedelta(hours=1)
    assert mending.timestamp(local, NOW, []) == NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        (False, False),
        ("false", False),
        ("No", False),
        ("0", False),
        ("true", True),
        (np.bool_(False), False),
    ],
)
def test_truth_is_understood_as_people_write_it(value, meant):
    """A parameter "false" must not switch the step off."""
    assert mending.truth(value) is meant


_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.lists(st.integers()), st.dictionaries(st.text(), st.floats()), st.datetimes(),
)  # fmt: skip


@given(
    event_type=_values,
    data=st.dictionaries(
        st.sampled_from(
            ["result", "externalId", "itemCount", "severity", "value", "relatedEventId", "feedback"]
        ),
        _values,
    ),
    metadata=st.dictionaries(st.text(), _values, max_size=8),
    ids=st.tuples(_values, _values, _values, _values),
    captured_at=st.one_of(st.none(), st.datetimes()),
)
def test_whatever_a_run_brings_the_event_is_valid_and_survives_the_wire(
    event_type, data, metadata, ids, captured_at
):
    """Never an exception, never an event that the API would refuse for its form."""
    draft = Draft("uc", event_type, data=data, metadata=metadata, captured_at=captured_at,
                  device_id=ids[0], stream_id=ids[1], workflow_id=ids[2], idempotency_key=ids[3])  # fmt: skip
    event = compose(draft).event
    body = json.dumps(event.to_wire(), allow_nan=False).encode()
    assert VisionEvent.model_validate(json.loads(body)) == event
