"""Frames of a photograph, every one different, as a camera would send them."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, Any]


def photograph(width: int = 1280, height: int = 720) -> Array:
    """A photograph of that size, in BGR."""
    import skimage.data

    picture: Any = skimage.data.astronaut()
    return cv2.resize(
        np.ascontiguousarray(picture[..., ::-1]), (width, height), interpolation=cv2.INTER_CUBIC
    )


_numbers = itertools.count()


class Camera:
    """Frames with their number on them, no two alike, and the picture that a visualization would make of each."""

    def __init__(self, width: int = 1280, height: int = 720) -> None:
        self._photograph = photograph(width, height)

    def shoot(self) -> Array:
        """The next frame."""
        frame = self._photograph.copy()
        cv2.putText(frame, str(next(_numbers)), (30, 60), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
        return frame

    def draw(self, frame: Array) -> Array:
        """The frame with a box on it."""
        picture: Array = frame.copy()
        cv2.rectangle(picture, (100, 100), (300, 250), (0, 0, 255), 3)
        return picture
