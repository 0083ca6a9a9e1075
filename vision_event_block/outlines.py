"""Outline of one detected instance, from whichever form its producer chose: polygon, mask or RLE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vision_event_block.mending import Notes

Size = tuple[int, int]
Points = list[tuple[float, float]]

_FEWEST_POINTS = 3


def outline(
    detections: Any, data: Mapping[str, Any], index: int, size: Size | None, notes: Notes
) -> Points | None:
    """The outer polygon of instance `index` in pixels, or None where it has none of three points."""
    polygon = element_at(data.get("polygon"), index)
    if polygon is None:
        mask = _mask(detections, data, index, notes)
        polygon = None if mask is None else _contour(mask)
    if polygon is None or len(polygon) < _FEWEST_POINTS:
        return None
    points = [(float(point[0]), float(point[1])) for point in polygon]
    finite = [within(x, y, size) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    return finite if len(finite) >= _FEWEST_POINTS else None


def within(x: float, y: float, size: Size | None) -> tuple[float, float]:
    """The point, moved to the edge of the frame if it lies outside."""
    return (x, y) if size is None else (min(max(x, 0.0), size[0]), min(max(y, 0.0), size[1]))


def _mask(detections: Any, data: Mapping[str, Any], index: int, notes: Notes) -> Any | None:
    mask = element_at(getattr(detections, "mask", None), index)
    if mask is not None:
        return mask
    rle = element_at(data.get("rle_mask"), index)
    if not isinstance(rle, Mapping):
        return None
    import supervision as sv

    try:
        height, width = (int(side) for side in rle["size"])
        return sv.rle_to_mask(rle["counts"], (width, height))
    except (KeyError, ValueError, TypeError, IndexError, AssertionError) as error:
        notes.append(f"A mask could not be decoded ({error}): its box alone is kept.")
        return None


def _contour(mask: Any) -> Any | None:
    """The largest outer contour of a boolean mask (height, width); short ones repeat their last point."""
    import cv2
    import numpy as np

    contours, _ = cv2.findContours(np.asarray(mask).astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return None
    points = max(contours, key=cv2.contourArea).reshape(-1, 2)
    missing = _FEWEST_POINTS - len(points)
    return points if missing <= 0 else np.append(points, np.repeat(points[-1:], missing, axis=0), axis=0)


def element_at(values: Any, index: int) -> Any:
    """The element, or None where the field is missing, shorter than the detections, or no sequence."""
    if not hasattr(values, "__len__") or index >= len(values):
        return None
    return values[index]
