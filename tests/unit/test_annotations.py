"""Predictions of any producer become annotations, whatever their dtypes and fields."""

from __future__ import annotations

import json
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vision_event_block.annotations import annotate, codes
from vision_event_block.draft import Draft, compose

SIZE = (100, 80)


def boxes(*corners, **more):
    return sv.Detections(xyxy=np.array(corners, float), **more)


def unchecked(xyxy, confidence=None, **data):
    """Detections as an older or another library makes them, which checks nothing."""
    return SimpleNamespace(xyxy=np.asarray(xyxy), confidence=confidence, mask=None, data=data)


def wire(predictions, size=SIZE):
    notes: list[str] = []
    return annotate(predictions, size, notes).model_dump(by_alias=True, exclude_none=True), notes


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64, np.uint16])
def test_boxes_of_every_dtype_become_centres_and_sizes(dtype):
    """In plain floats, which JSON can say."""
    found, notes = wire(
        sv.Detections(xyxy=np.array([[10, 20, 30, 60]], dtype), data={"class_name": np.array(["a"])})
    )
    assert found == {
        "objectDetections": [
            {"class": "a", "x": 20.0, "y": 40.0, "width": 20.0, "height": 40.0, "confidence": 0.0}
        ]
    }
    assert not notes


def test_what_a_producer_leaves_out_gets_the_value_of_the_stock_block():
    """No class, no confidence."""
    found, _ = wire(boxes([0, 0, 1, 1]))
    assert found["objectDetections"][0]["class"] == "unknown"
    assert found["objectDetections"][0]["confidence"] == 0.0


def test_detection_ids_that_are_uuids_disturb_nothing():
    """As the code detectors make them."""
    found, _ = wire(boxes([0, 0, 1, 1], data={"detection_id": np.array([uuid4()], object)}))
    assert len(found["objectDetections"]) == 1


@pytest.mark.parametrize(
    ("confidence", "sent", "said"),
    [(np.nan, 0.0, True), (1.7, 1.0, False), (-1.0, 0.0, False), (np.inf, 1.0, False)],
)
def test_impossible_confidences_are_mended(confidence, sent, said):
    """JSON has no NaN, and the API takes 0 to 1."""
    found, notes = wire(boxes([0, 0, 1, 1], confidence=np.array([confidence])))
    assert found["objectDetections"][0]["confidence"] == sent
    assert bool(notes) == said


def test_boxes_outside_the_frame_are_clipped_and_impossible_ones_left_out():
    """And the rest stays."""
    corners = [[-10, -10, 50, 40], [np.nan, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 10, 10]]
    found, notes = wire(unchecked(corners))
    assert [(box["x"], box["y"], box["width"], box["height"]) for box in found["objectDetections"]] == [
        (25.0, 20.0, 50.0, 40.0),
        (5.0, 5.0, 10.0, 10.0),
    ]
    assert notes == [
        "2 boxes without finite coordinates were left out.",
        "1 boxes reached outside the frame and were clipped to it.",
    ]


def test_of_too_many_annotations_the_most_confident_are_kept_in_their_order():
    """Beyond 1000 of a sort the server would drop all images without a word."""
    confidence = np.linspace(0, 1, 1500)
    np.random.default_rng(1).shuffle(confidence)
    found, notes = wire(boxes(*[[0, 0, 1, 1]] * 1500, confidence=confidence))
    kept = [box["confidence"] for box in found["objectDetections"]]
    assert len(kept) == 1000
    assert sorted(kept) == sorted(confidence)[500:]
    assert kept == [value for value in confidence if value in set(kept)]
    assert "1500 objectDetections" in notes[0]


def test_a_mask_becomes_the_outline_of_its_largest_part():
    """Speckles and holes are no objects."""
    mask = np.zeros((1, 80, 100), bool)
    mask[0, 10:40, 20:70] = True
    mask[0, 60, 60] = True
    found, _ = wire(boxes([20, 10, 70, 40], mask=mask))
    xs, ys = zip(*found["instanceSegmentations"][0]["points"], strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (20, 69, 10, 39)


def test_a_polygon_wins_over_a_mask():
    """It is what the producer meant."""
    data = {"polygon": np.array([[[1, 2], [30, 2], [30, 40]]])}
    found, _ = wire(boxes([0, 0, 30, 40], mask=np.ones((1, 80, 100), bool), data=data))
    assert found["instanceSegmentations"][0]["points"] == [(1.0, 2.0), (30.0, 2.0), (30.0, 40.0)]


@pytest.mark.parametrize("mask", [np.zeros((1, 80, 100), bool)])
def test_an_instance_without_an_outline_is_kept_as_a_box(mask):
    """Nothing is thrown away."""
    found, _ = wire(boxes([0, 0, 30, 40], mask=mask))
    assert list(found) == ["objectDetections"]


@pytest.mark.parametrize(
    "rle", [{"size": [80, 100]}, {"size": [80, 100], "counts": [1]}, {"size": "x", "counts": ""}, None]
)
def test_a_mask_that_cannot_be_decoded_leaves_its_box(rle):
    """Whatever a producer wrote there."""
    found, _ = wire(boxes([0, 0, 30, 40], data={"rle_mask": np.array([rle], object)}))
    assert list(found) == ["objectDetections"]


def test_padding_of_uneven_skeletons_is_not_sent():
    """Real keypoints have names."""
    data = {
        "keypoints_xy": np.array([[[1, 2], [3, 4], [0, 0]]], np.float32),
        "keypoints_class_id": np.array([[5, 7, 0]]),
        "keypoints_class_name": np.array([["nose", "eye", ""]]),
    }
    found, _ = wire(boxes([0, 0, 30, 40], data=data))
    assert found["keypoints"][0]["keypoints"] == [
        {"id": 5, "x": 1.0, "y": 2.0},
        {"id": 7, "x": 3.0, "y": 4.0},
    ]


def test_keypoints_without_names_ids_or_places_are_taken_as_they_are():
    """By their index; those that are nowhere are left out."""
    data = {"keypoints_xy": np.array([[[1, 2], [np.nan, 4]]])}
    found, notes = wire(boxes([0, 0, 30, 40], data=data))
    assert found["keypoints"][0]["keypoints"] == [{"id": 0, "x": 1.0, "y": 2.0}]
    assert notes == ["Keypoints without finite coordinates were left out."]


@pytest.mark.parametrize(
    ("prediction", "pairs"),
    [
        ({"predictions": [{"class": "a", "confidence": 0.9}]}, [("a", 0.9)]),
        ({"predictions": {"a": {"confidence": 0.9}, "b": 0.1}}, [("a", 0.9), ("b", 0.1)]),
        ({"predictions": {"a": {"confidence": 0.9}}, "predicted_classes": ["a"]}, [("a", 0.9)]),
        # Ours says more than the stock block, which sends 0.0 here.
        ({"predictions": [{"class": "a", "confidence": 0.9}], "predicted_classes": ["a"]}, [("a", 0.9)]),
        ({"top": "a", "confidence": 0.9}, [("a", 0.9)]),
        ({"predictions": [{"class": "a", "confidence": None}, "junk"]}, [("a", 0.0)]),
        ({"predictions": {}}, []),
        ({}, []),
    ],
)
def test_classifications_of_every_shape(prediction, pairs):
    """Multi-class lists, multi-label dictionaries, a top class alone."""
    found, _ = wire(prediction)
    assert [(entry["class"], entry["confidence"]) for entry in found.get("classifications", [])] == pairs


def test_codes_of_one_class_are_told_apart():
    """Each text under a name of its own."""
    data = {"data": np.array(["L1", "", "L2"]), "class_name": np.array(["qr_code", "qr_code", "qr_code"])}
    assert codes(boxes(*[[0, 0, 1, 1]] * 3, data=data)) == {"qr_code": "L1", "qr_code 2": "L2"}


@pytest.mark.parametrize("junk", [7, "text", object(), [1, 2], np.zeros(3)])
def test_what_is_no_prediction_is_told_and_costs_no_event(junk):
    """The event is worth more than its annotations."""
    composition = compose(Draft(use_case="uc", event_type="custom", predictions=junk))
    assert composition.event.images == []
    assert composition.notes


_any_float = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(
    xyxy=arrays(np.float32, st.tuples(st.integers(0, 6), st.just(4)), elements=_any_float),
    confidence=st.lists(_any_float, min_size=6, max_size=6),
    name=st.text(),
    keypoints=arrays(np.float32, (6, 3, 2), elements=_any_float),
    with_keypoints=st.booleans(),
)
def test_whatever_detections_hold_the_event_is_valid_json_within_its_limits(
    xyxy, confidence, name, keypoints, with_keypoints
):
    """Arbitrary numbers, arbitrary names."""
    count = len(xyxy)
    data = {"class_name": np.array([name] * count, object)}
    if with_keypoints:
        data["keypoints_xy"] = keypoints[:count]
    found, _ = wire(unchecked(xyxy, np.array(confidence[:count], np.float32), **data))
    json.dumps(found, allow_nan=False).encode()
    for box in found.get("objectDetections", []) + found.get("keypoints", []):
        assert 0 <= box["confidence"] <= 1
        assert 0 <= box["x"] <= SIZE[0]
        assert 0 <= box["y"] <= SIZE[1]
