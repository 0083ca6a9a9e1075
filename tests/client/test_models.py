"""Every model survives the way to the wire and back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vision_event_block.bundle import Bundle, open_bundle, pack_bundle
from vision_event_block.client import FoundEvent, MetadataSchema, UseCase
from vision_event_block.client.answers import UseCaseList
from vision_event_block.event import EventImage, VisionEvent
from vision_event_block.event_data import EVENT_DATA
from vision_event_block.event_query import EventQuery
from vision_event_block.images import encode_jpeg

NOW = datetime.now(timezone.utc)
MOMENTS = st.datetimes(
    NOW.replace(tzinfo=None) - timedelta(days=300), NOW.replace(tzinfo=None), timezones=st.just(timezone.utc)
)
# What JSON and the store can hold: no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
SHARES = st.floats(0, 1)
BOXES = {"class": TEXT, "x": NUMBERS, "y": NUMBERS, "width": NUMBERS, "height": NUMBERS, "confidence": SHARES}
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=5)
KEYPOINTS = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 99), "x": NUMBERS, "y": NUMBERS}), max_size=3
)
IMAGES = st.fixed_dictionaries(
    {},
    optional={
        "label": TEXT,
        "sourceId": NAMES,
        "inputSourceId": NAMES,
        "objectDetections": st.lists(st.fixed_dictionaries(BOXES), max_size=3),
        "classifications": st.lists(st.fixed_dictionaries({"class": TEXT, "confidence": SHARES}), max_size=3),
        "instanceSegmentations": st.lists(st.fixed_dictionaries({**BOXES, "points": POINTS}), max_size=2),
        "keypoints": st.lists(st.fixed_dictionaries({**BOXES, "keypoints": KEYPOINTS}), max_size=2),
    },
)
DATA = {
    "result": st.sampled_from(["pass", "fail"]), "severity": st.sampled_from(["low", "medium", "high"]),
    "feedback": st.sampled_from(["correct", "incorrect", "inconclusive"]), "itemCount": st.integers(-(2**53), 2**53),
}  # fmt: skip
KEYS = st.from_regex(r"[a-zA-Z0-9_ -]{1,20}", fullmatch=True)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**53), 2**53), NUMBERS)


@st.composite
def events(draw: st.DrawFn) -> VisionEvent:
    kind = draw(st.sampled_from(sorted(EVENT_DATA)))
    names = [field.alias or name for name, field in EVENT_DATA[kind].model_fields.items()]
    images = draw(st.lists(IMAGES, max_size=2))
    body = {
        "eventId": draw(NAMES), "eventType": kind, "useCaseId": draw(NAMES), "timestamp": draw(MOMENTS), "images": images,
        **draw(st.fixed_dictionaries({}, optional={
            "deviceId": TEXT, "streamId": TEXT, "workflowId": TEXT, "comment": TEXT,
            "eventData": st.fixed_dictionaries({}, optional={name: DATA.get(name, TEXT) for name in names}),
            "customMetadata": st.dictionaries(KEYS, VALUES, max_size=4),
        })),
    }  # fmt: skip
    if images:
        body["displayImagePosition"] = draw(st.integers(0, len(images) - 1))
    return VisionEvent.model_validate(body)


@given(events())
def test_an_event_comes_back_from_the_wire(event):
    """Both ways of writing it say the same."""
    assert VisionEvent.model_validate_json(json.dumps(event.to_wire())) == event
    assert json.loads(event.to_json()) == event.to_wire()


@given(events())
def test_a_found_event_says_what_was_written(event):
    """And gives it back to the letter."""
    found = FoundEvent.model_validate_json(event.to_json())
    back = VisionEvent.model_validate(found.model_dump(mode="json", by_alias=True, exclude_unset=True))
    assert back == event


@given(events(), st.dictionaries(st.from_regex(r"new[A-Z][a-z]{1,9}", fullmatch=True), TEXT, max_size=3))
def test_what_a_later_server_adds_is_kept(event, news):
    """At every level; and it is no reason to fail."""
    body = event.to_wire() | news
    for image in body["images"]:
        image |= news
        for found in (entry for entries in image.values() if isinstance(entries, list) for entry in entries):
            found |= news
    read = FoundEvent.model_validate(body)
    assert {name: read.model_extra[name] for name in news} == news
    assert read.model_dump(mode="json", by_alias=True, exclude_unset=True)["images"] == body.get("images", [])


@settings(max_examples=30)
@given(events(), st.integers(8, 40))
def test_a_bundle_gives_back_what_was_packed(event, size):
    """The event, and its files to the byte; and packs to the same bytes again."""
    bare = [
        EventImage(**{**dict(image), "source_id": None, "input_source_id": None}) for image in event.images
    ]
    event = event.model_copy(update={"images": bare})
    image = encode_jpeg(np.full((size, size + 1, 3), size, np.uint8), 80)
    files = {(position, role): image for position in range(len(bare)) for role in ("output", "input")}
    packed = pack_bundle(Bundle(event, files))
    opened = open_bundle(packed)
    assert opened.event == event
    assert dict(opened.files) == files
    assert pack_bundle(opened) == packed


@given(
    st.fixed_dictionaries(
        {"useCaseId": NAMES},
        optional={
            "eventTypes": st.lists(st.sampled_from(sorted(EVENT_DATA)), max_size=3),
            "startTime": MOMENTS.map(datetime.isoformat),
            "deviceId": st.fixed_dictionaries({"operator": st.sampled_from(["eq", "neq"]), "value": TEXT}),
            "customMetadataFilters": st.lists(
                st.fixed_dictionaries(
                    {"field": KEYS, "operator": st.sampled_from(["gt", "contains"]), "value": VALUES}
                ),
                max_size=2,
            ),
            "limit": st.integers(1, 1000),
            "cursor": TEXT,
        },
    )
)
def test_a_query_comes_back_from_the_wire(body):
    """Only what was asked is sent, so that the defaults are the server's."""
    query = EventQuery.model_validate(body)
    wire = query.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert EventQuery.model_validate(wire) == query
    assert set(wire) == set(body)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": NAMES}, optional={"name": TEXT, "status": TEXT, "eventCount": st.integers()}
        )
    )
)
def test_use_cases_are_read_under_both_names(cases):
    """Earlier servers said solutions."""
    now, before = (
        UseCaseList.model_validate({"useCases": cases}),
        UseCaseList.model_validate({"solutions": cases}),
    )
    assert now == before
    assert [case.id for case in now.use_cases] == [case["id"] for case in cases]
    assert all(UseCase.model_validate(case.model_dump(by_alias=True)) == case for case in now.use_cases)


@given(
    st.dictionaries(
        KEYS, st.fixed_dictionaries({"types": st.lists(st.sampled_from(["string", "number", "boolean"]))})
    )
)
def test_a_schema_comes_back(fields):
    """With or without the use case in it."""
    schema = MetadataSchema.model_validate({"fields": fields})
    assert schema.model_dump(by_alias=True, exclude_unset=True) == {"fields": fields}
