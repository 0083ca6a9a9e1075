"""Predictions -> annotations: any producer's output in the format of the event.

Takes `sv.Detections` and classification dictionaries, as the engine hands them over. Producers
differ in dtypes and fields, so nothing is assumed about either: what is missing gets the value
that the stock block sends, what is impossible is mended or left out, and `notes` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vision_event_block.event import (
    MAX_ANNOTATIONS,
    Annotations,
    Classification,
    InstanceSegmentation,
    Keypoint,
    KeypointDetection,
    ObjectDetection,
)
from vision_event_block.mending import Notes, plain, shown, writable
from vision_event_block.outlines import Size, element_at, outline, within

_UNKNOWN = "unknown"


def annotate(predictions: Any, size: Size | None, notes: Notes) -> Annotations:
    """Annotations of one image.

    Args:
        predictions: `sv.Detections`, a classification dictionary, or None.
        size: Width and height of the image in pixels; boxes are clipped to it. None: no clipping.
        notes: Gets one sentence for each sort of mend.
    """
    if predictions is None:
        return Annotations()
    if isinstance(predictions, Mapping):
        return Annotations(
            classifications=_most_confident(_classifications(predictions, notes), "classifications", notes)
        )
    if hasattr(predictions, "xyxy"):
        return _detections(predictions, size, notes)
    notes.append(
        f"Predictions of type {type(predictions).__name__} are not understood: the event has no annotations."
    )
    return Annotations()


def codes(predictions: Any) -> dict[str, str]:
    """Texts of QR and bar codes, by class: `qr_code`, then `qr_code 2` and so on."""
    data = getattr(predictions, "data", None)
    if not isinstance(data, Mapping) or data.get("data") is None:
        return {}
    texts = data["data"]
    found: dict[str, str] = {}
    seen: dict[str, int] = {}
    for index, code in enumerate(texts):
        if code is None or str(code) == "":
            continue
        name = str(element_at(data.get("class_name"), index) or "code")
        seen[name] = seen.get(name, 0) + 1
        found[name if seen[name] == 1 else f"{name} {seen[name]}"] = str(code)
    return found


def _detections(detections: Any, size: Size | None, notes: Notes) -> Annotations:
    data: Mapping[str, Any] = getattr(detections, "data", None) or {}
    has_keypoints = "keypoints_xy" in data
    has_outlines = not has_keypoints and (
        getattr(detections, "mask", None) is not None or "polygon" in data or "rle_mask" in data
    )
    objects: list[ObjectDetection] = []
    segmentations: list[InstanceSegmentation] = []
    skeletons: list[KeypointDetection] = []
    for index, box in _boxes(detections, data, size, notes):
        if has_keypoints:
            skeletons.append(
                KeypointDetection(**box.model_dump(), keypoints=_keypoints(data, index, size, notes))
            )
            continue
        points = outline(detections, data, index, size, notes) if has_outlines else None
        if points is None:
            objects.append(box)
        else:
            segmentations.append(InstanceSegmentation(**box.model_dump(), points=points))
    return Annotations(
        object_detections=_most_confident(objects, "objectDetections", notes),
        instance_segmentations=_most_confident(segmentations, "instanceSegmentations", notes),
        keypoints=_most_confident(skeletons, "keypoints", notes),
    )


def _boxes(
    detections: Any, data: Mapping[str, Any], size: Size | None, notes: Notes
) -> Iterator[tuple[int, ObjectDetection]]:
    impossible = outside = 0
    for index, corners in enumerate(detections.xyxy):
        numbers = [_number(value) for value in corners]
        if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
            impossible += 1
            continue
        x1, x2 = sorted((numbers[0], numbers[2]))
        y1, y2 = sorted((numbers[1], numbers[3]))
        corners_inside = (*within(x1, y1, size), *within(x2, y2, size))
        outside += corners_inside != (x1, y1, x2, y2)
        x1, y1, x2, y2 = corners_inside
        width, height = x2 - x1, y2 - y1
        yield (
            index,
            ObjectDetection(
                class_name=_class_name(element_at(data.get("class_name"), index)),
                x=x1 + width / 2,
                y=y1 + height / 2,
                width=width,
                height=height,
                confidence=_confidence(element_at(getattr(detections, "confidence", None), index), notes),
            ),
        )
    if impossible:
        notes.append(f"{impossible} boxes without finite coordinates were left out.")
    if outside:
        notes.append(f"{outside} boxes reached outside the frame and were clipped to it.")


def _keypoints(data: Mapping[str, Any], index: int, size: Size | None, notes: Notes) -> list[Keypoint]:
    points = element_at(data.get("keypoints_xy"), index)
    names = element_at(data.get("keypoints_class_name"), index)
    ids = element_at(data.get("keypoints_class_id"), index)
    if points is None:
        return []
    # Detections of unequal skeletons are padded at the end with slots whose class name is empty.
    count = len(points) if names is None else sum(1 for name in names if str(name) != "")
    keypoints = []
    for slot, point in enumerate(points[:count]):
        x, y = _number(point[0]), _number(point[1])
        if not (math.isfinite(x) and math.isfinite(y)):
            _once(notes, "Keypoints without finite coordinates were left out.")
            continue
        x, y = within(x, y, size)
        own_id = element_at(ids, slot)
        keypoints.append(Keypoint(id=slot if own_id is None else int(own_id), x=x, y=y))
    return keypoints


def _classifications(prediction: Mapping[str, Any], notes: Notes) -> list[Classification]:
    predictions = prediction.get("predictions")
    confidences = dict(_named_confidences(predictions))
    chosen = prediction.get("predicted_classes")
    if isinstance(chosen, Sequence) and not isinstance(chosen, str) and len(chosen) > 0:
        pairs = [(str(name), confidences.get(str(name))) for name in chosen]
    else:
        pairs = list(_named_confidences(predictions))
    if not pairs and prediction.get("top") not in (None, ""):
        pairs = [(_class_name(prediction["top"]), prediction.get("confidence"))]
    return [Classification(class_name=name, confidence=_confidence(value, notes)) for name, value in pairs]


def _named_confidences(predictions: Any) -> Iterator[tuple[str, Any]]:
    """(class, confidence) of multi-class lists and of multi-label dictionaries."""
    if isinstance(predictions, Mapping):
        for name, details in predictions.items():
            yield str(name), details.get("confidence") if isinstance(details, Mapping) else details
    elif isinstance(predictions, Sequence) and not isinstance(predictions, str):
        for entry in predictions:
            if isinstance(entry, Mapping):
                yield _class_name(entry.get("class_name", entry.get("class"))), entry.get("confidence")


def _most_confident(entries: list[Any], name: str, notes: Notes) -> list[Any] | None:
    if len(entries) <= MAX_ANNOTATIONS:
        return entries or None
    notes.append(f"{len(entries)} {name}: the {MAX_ANNOTATIONS} most confident were kept.")
    ranked = sorted(range(len(entries)), key=lambda index: -entries[index].confidence)
    return [entries[index] for index in sorted(ranked[:MAX_ANNOTATIONS])]


def _confidence(value: Any, notes: Notes) -> float:
    if value is None:
        return 0.0
    number = _number(value)
    if math.isnan(number):
        _once(notes, f"A confidence that is no number ({shown(plain(value))}) was set to 0.")
        return 0.0
    return min(max(number, 0.0), 1.0)


def _class_name(value: Any) -> str:
    return _UNKNOWN if value is None else writable(str(plain(value)))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _once(notes: Notes, note: str) -> None:
    if note not in notes:
        notes.append(note)
