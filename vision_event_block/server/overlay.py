"""What was found in an image, as shapes to draw over it and rows to read beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Each class has one of so many colors of the style sheet.
COLORS = 10


@dataclass(frozen=True)
class Shape:
    """One thing that was found; coordinates are pixels of the original.

    Attributes:
        color: Number of its color.
        box: Left, top, width, height; None for a class of the whole image.
        points: Outline as an SVG list of points; empty if there is none.
        keypoints: x, y and id of each.
    """

    class_name: str
    confidence: float
    color: int
    kind: str
    box: tuple[float, float, float, float] | None = None
    points: str = ""
    keypoints: tuple[tuple[float, float, int], ...] = ()


@dataclass(frozen=True)
class Overlay:
    """All shapes of an image, and how many there are of each class by (color, name)."""

    shapes: tuple[Shape, ...]
    classes: Mapping[tuple[int, str], int]


def overlays(image: Mapping[str, Any]) -> Overlay:
    """The shapes of an image entry as the REST API writes it."""
    names = sorted({found["class"] for _, found in _all(image)})
    colors = {name: index % COLORS for index, name in enumerate(names)}
    shapes = tuple(_shape(kind, found, colors[found["class"]]) for kind, found in _all(image))
    classes = {(colors[name], name): sum(shape.class_name == name for shape in shapes) for name in names}
    return Overlay(shapes, classes)


def _all(image: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    kinds = {
        "instanceSegmentations": "segment",
        "objectDetections": "box",
        "keypoints": "keypoints",
        "classifications": "class",
    }
    for key, kind in kinds.items():
        for found in image.get(key) or ():
            yield kind, found


def _shape(kind: str, found: Mapping[str, Any], color: int) -> Shape:
    box = None
    if "width" in found:
        width, height = found["width"], found["height"]
        box = (found["x"] - width / 2, found["y"] - height / 2, width, height)
    return Shape(
        class_name=found["class"],
        confidence=found["confidence"],
        color=color,
        kind=kind,
        box=box,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in found.get("points", ())),
        keypoints=tuple((point["x"], point["y"], point["id"]) for point in found.get("keypoints", ())),
    )
