"""Reads what the engine hands over: images and predictions, whichever representation they are in."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from datetime import datetime
from typing import Any

from vision_event_block.blocks.engine import declares_drawing, engine_module
from vision_event_block.frames import Frame, Frames

logger = logging.getLogger("vision_event_block")

_DATA_URL = re.compile(r"^data:image/[a-z+.-]+;base64,")


def frame_of(image: Any, frames: Frames, notes: list[str]) -> Frame | None:
    """The frame of a workflow image, with the file it came in where that still shows its pixels."""
    if image is None:
        return None
    try:
        return frames.of(image.numpy_image, lambda: _original(image))
    except Exception as error:  # noqa: BLE001 - read from a file, a URL or another block; the event counts for more
        notes.append(f"An image could not be read ({type(error).__name__}: {error}) and was left out.")
        return None


def source_of(*images: Any) -> tuple[datetime | None, str | None]:
    """Capture time and video source of the first image that has them.

    The engine makes metadata up where an image has none, with the current time and the name of
    the input; the attribute under the property tells which are real.
    """
    for image in images:
        metadata = getattr(image, "_video_metadata", None)
        if metadata is not None:
            return metadata.frame_timestamp, metadata.video_identifier
    return None, None


def predictions_of(predictions: Any) -> Any:
    """Predictions as `sv.Detections` or a dictionary; the tensor mode of the engine has classes of its own."""
    if not type(_boxes_of(predictions)).__module__.startswith("inference_models"):
        return predictions
    try:
        return _from_tensors(_boxes_of(predictions))
    except Exception:  # the boxes can still be read, and the event counts for more
        logger.exception("Predictions of the tensor mode could not be converted.")
        return _boxes_of(predictions)


def _boxes_of(predictions: Any) -> Any:
    """Keypoint models answer a pair; its second half has the boxes, and the keypoints in their metadata."""
    return predictions[-1] if isinstance(predictions, tuple) and predictions else predictions


def _from_tensors(predictions: Any) -> Any:
    if hasattr(predictions, "xyxy"):
        boundary = engine_module("execution_engine.v1.dynamic_blocks.representation_boundary")
        return boundary.native_detections_to_sv(predictions)
    serializers = engine_module("core_steps.common.serializers_tensor")
    return serializers.serialise_native_classification(predictions)


def _original(image: Any) -> bytes | None:
    encoded = getattr(image, "_base64_image", None)
    if not isinstance(encoded, str) or not declares_drawing():
        return None
    try:
        return base64.b64decode(_DATA_URL.sub("", encoded[:64]) + encoded[64:])
    except (binascii.Error, ValueError):
        return None
