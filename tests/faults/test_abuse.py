"""Input that nobody would send on purpose: it costs a sentence, never an exception or an event."""

from __future__ import annotations

import gzip
import json
import math
import uuid
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
import supervision as sv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import ValidationError

from vision_event_block.bundle import Bundle, open_bundle, pack_bundle
from vision_event_block.draft import Draft, compose
from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent
from vision_event_block.frames import Frame
from vision_event_block.images import encode_jpeg

ANY_NUMBER = st.one_of(
    st.floats(width=32), st.floats(-1e300, 1e300), st.integers(-(10**25), 10**25), st.sampled_from([math.nan, math.inf, -math.inf])
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), ANY_NUMBER, st.text(max_size=20), st.binary(max_size=8), st.uuids()
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=12), st.integers(), st.none()), inner, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip
KEYS = [
    "predictions", "class", "class_id", "confidence", "x", "y", "width", "height", "points", "keypoints", "image", "top",
    "predicted_classes", "rle_mask", "detection_id", "response", "prediction_type",
]  # fmt: skip
LIKE_PREDICTIONS = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=20,
)  # fmt: skip
FRAME = np.zeros((40, 60, 3), np.uint8)


@st.composite
def detections(draw: st.DrawFn) -> sv.Detections:
    """Of every dtype, with masks of any size, and data that no producer would write."""
    count = draw(st.integers(0, 4))
    dtype = draw(st.sampled_from([np.int32, np.int64, np.float32, np.float64]))
    numbers = st.integers(-1000, 1000) if np.issubdtype(dtype, np.integer) else st.floats(width=32)
    made = sv.Detections(xyxy=draw(npst.arrays(dtype, (count, 4), elements=numbers)))
    if draw(st.booleans()):
        made.confidence = draw(npst.arrays(np.float64, count, elements=st.floats()))
    if draw(st.booleans()):
        made.class_id = draw(npst.arrays(np.int64, count, elements=st.integers(-5, 5)))
    if draw(st.booleans()):
        height, width = draw(st.sampled_from([(40, 60), (1, 1), (80, 10)]))
        made.mask = draw(npst.arrays(np.bool_, (count, height, width)))
    for key in draw(
        st.sets(st.sampled_from(["class_name", "detection_id", "keypoints_xy", "rle_mask", "data", "other"]))
    ):
        made.data[key] = np.array(
            [*draw(st.lists(ANYTHING, min_size=count, max_size=count)), None], dtype=object
        )[:-1]
    return made


def _is_deliverable(draft: Draft) -> None:
    try:
        composition = compose(draft)
    except InvalidEvent as error:
        assert str(error)
        return
    event = composition.event
    assert VisionEvent.model_validate_json(event.to_json()) == event
    json.loads(event.to_json(), parse_constant=_no_such_number)
    for image in event.images:
        for found in image.all():
            assert 0 <= found.confidence <= 1


def _no_such_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.one_of(detections(), LIKE_PREDICTIONS, ANYTHING))
def test_any_predictions_make_an_event_that_can_be_delivered(predictions):
    """Whatever block made them: what can be used is used, the rest is left out and told."""
    _is_deliverable(Draft("uc", "custom", image=Frame(FRAME), predictions=predictions))


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.fixed_dictionaries({
        "use_case": ANYTHING, "event_type": st.one_of(st.sampled_from(["quality_check", "inventory_count"]), ANYTHING),
        "data": st.dictionaries(st.sampled_from(["result", "itemCount", "externalId", "location"]), ANYTHING),
        "metadata": st.dictionaries(st.one_of(st.text(max_size=120), st.integers()), ANYTHING),
        "device_id": ANYTHING, "stream_id": ANYTHING, "workflow_id": ANYTHING, "idempotency_key": ANYTHING,
    })
)  # fmt: skip
def test_any_fields_make_an_event_that_can_be_delivered_or_are_refused_in_a_sentence(fields):
    """Parameters of a Workflow may hold anything."""
    _is_deliverable(Draft(image=Frame(FRAME), **fields))


def _packed() -> bytes:
    event = VisionEvent(
        event_id="e", event_type="custom", use_case_id="uc", timestamp=datetime(2026, 1, 1, tzinfo=timezone.utc),
        images=[{"label": "x"}],
    )  # fmt: skip
    return pack_bundle(Bundle(event, {(0, "input"): encode_jpeg(FRAME, 80)}))


PACKED = _packed()


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data(), plain=st.booleans())
def test_a_bundle_with_any_bytes_changed_is_read_or_refused(data, plain):
    """Never another error, never an endless loop."""
    content = bytearray(gzip.decompress(PACKED) if plain else PACKED)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    try:
        assert isinstance(open_bundle(bytes(content[:end])), Bundle)
    except (InvalidEvent, ValidationError) as error:
        assert str(error)


@pytest.mark.parametrize(
    "image", [np.zeros((0, 0, 3), np.uint8), np.zeros((2, 3, 4, 5)), "no image", None, np.zeros(5)]
)
def test_any_image_is_taken_or_refused_in_a_sentence(make_recorder, image):
    """Nothing is recorded half."""
    recorder = make_recorder()
    kind: Any = image
    try:
        receipt = recorder.record(use_case="uc", image=kind, metadata={"run": str(uuid.uuid4())})
    except TypeError as error:
        assert "give a numpy array" in str(error)
        assert recorder.store.counts().recorded == 0
    else:
        assert receipt.event_id
        assert recorder.store.counts().recorded == 1
