"""Memory that is used again, and memory that is given up: both within their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from vision_event_block.buffers import Buffers
from vision_event_block.images import EncodedImage
from vision_event_block.store.recent import RecentImages


def test_a_copy_takes_memory_that_was_given_back():
    """It is a copy all the same."""
    buffers = Buffers(10_000)
    first = buffers.copy(np.zeros((10, 10, 3), np.uint8))
    buffers.give_back(first)
    pixels = np.full((10, 10, 3), 7, np.uint8)
    again = buffers.copy(pixels)
    assert again is first
    assert np.array_equal(again, pixels)
    assert buffers.copy(pixels) is not first


@pytest.mark.parametrize("other", [np.zeros((10, 11, 3), np.uint8), np.zeros((10, 10, 3), np.float32)])
def test_memory_of_another_shape_or_type_is_left_for_others(other):
    """Two cameras of different sizes share the pool."""
    buffers = Buffers(10_000)
    first = buffers.copy(np.zeros((10, 10, 3), np.uint8))
    buffers.give_back(first)
    assert buffers.copy(other).dtype == other.dtype
    assert buffers.copy(np.zeros((10, 10, 3), np.uint8)) is first


def test_no_more_lies_unused_than_may():
    """What was used last stays."""
    buffers = Buffers(700)
    arrays = [buffers.copy(np.zeros((10, 10, 3), np.uint8)) for _ in range(5)]
    for array in arrays:
        buffers.give_back(array)
    assert [buffers.copy(arrays[0]) is array for array in (arrays[4], arrays[3], arrays[2])] == [
        True,
        True,
        False,
    ]


def test_recent_images_are_bounded_and_each_is_handed_out_once():
    """The latest stay."""
    images = [EncodedImage.of(bytes([number]) * 100, "image/jpeg", 1, 1) for number in range(5)]
    recent = RecentImages(250)
    for image in images:
        recent.keep(image)
    assert [recent.take(image.sha256) for image in images] == [None, None, None, images[3], images[4]]
    assert recent.take(images[4].sha256) is None
