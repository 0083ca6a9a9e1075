"""Predictions of every kind, recorded as the engine serialises them."""

from __future__ import annotations

from typing import Any

IMAGE = {"width": 120, "height": 90}


def _box(**more: Any) -> dict[str, Any]:
    return {
        "x": 30,
        "y": 40,
        "width": 40,
        "height": 30,
        "confidence": 0.91,
        "class": "dent",
        "class_id": 0,
        **more,
    }


_POLYGON = [{"x": 12, "y": 27}, {"x": 48, "y": 27}, {"x": 48, "y": 53}, {"x": 12, "y": 53}]

OBJECT_DETECTION = {
    "image": IMAGE,
    "predictions": [_box(), _box(x=80.5, **{"class": "scratch", "class_id": 1})],
}
INSTANCE_SEGMENTATION = {"image": IMAGE, "predictions": [_box(points=_POLYGON)]}
KEYPOINT = {
    "image": IMAGE,
    "predictions": [
        _box(
            keypoints=[
                {"x": 20, "y": 30, "confidence": 0.9, "class": "nose", "class_id": 0},
                {"x": 25, "y": 35, "confidence": 0.8, "class": "left_eye", "class_id": 1},
            ]
        ),
        _box(x=80, keypoints=[{"x": 82, "y": 38, "confidence": 0.9, "class": "nose", "class_id": 0}]),
    ],
}
# 40 x 30 pixels set in the middle of the frame, as run lengths down the columns.
RLE_COUNTS = [10 * 90 + 25, *([30, 60] * 39), 30, 90 * 120 - 49 * 90 - 55]
RLE = {"image": IMAGE, "predictions": [_box(rle_mask={"size": [90, 120], "counts": RLE_COUNTS})]}
QR_CODE = {"image": IMAGE, "predictions": [_box(data="LOT-4711/OK", **{"class": "qr_code"})]}
BAR_CODE = {"image": IMAGE, "predictions": [_box(data="ABC-123", **{"class": "barcode"})]}
MULTI_CLASS = {
    "image": IMAGE,
    "predictions": [
        {"class": "good", "class_id": 0, "confidence": 0.7},
        {"class": "bad", "class_id": 1, "confidence": 0.3},
    ],
    "top": "good",
    "confidence": 0.7,
    "prediction_type": "classification",
    "inference_id": "i",
    "parent_id": "p",
}
MULTI_LABEL = {
    "image": IMAGE,
    "predictions": {"red": {"confidence": 0.8, "class_id": 0}, "round": {"confidence": 0.2, "class_id": 1}},
    "predicted_classes": ["red"],
    "prediction_type": "classification",
    "inference_id": "i",
    "parent_id": "p",
}

BY_KIND: dict[str, tuple[str, dict[str, Any]]] = {
    "object detection": ("object_detection_prediction", OBJECT_DETECTION),
    "no detection": ("object_detection_prediction", {"image": IMAGE, "predictions": []}),
    "instance segmentation": ("instance_segmentation_prediction", INSTANCE_SEGMENTATION),
    "keypoints": ("keypoint_detection_prediction", KEYPOINT),
    "multi-class": ("classification_prediction", MULTI_CLASS),
    "multi-label": ("classification_prediction", MULTI_LABEL),
}
