"""Frames are encoded once, passed on as they came where that is honest, and never confused."""

from __future__ import annotations

import gc
import io
import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.conftest import a_frame
from vision_event_block.errors import InvalidEvent
from vision_event_block.frames import Frame, Frames, encode_together
from vision_event_block.images import as_it_came, encode_jpeg


def _file(kind: str, pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, ::-1]).save(buffer, kind, **options)
    return buffer.getvalue()


KEPT_OR_ENCODED = pytest.mark.parametrize("use", [Frame.keep, lambda frame: frame.encode(80)])


@KEPT_OR_ENCODED
def test_one_array_is_one_frame_until_somebody_draws_on_it(use):
    """Steps of a run share the array, and some draw in place."""
    frames, pixels = Frames(), a_frame(1)
    first = frames.of(pixels)
    use(first)
    assert frames.of(pixels) is first
    pixels[5, 7, 1] += 1
    assert frames.of(pixels) is not first


@KEPT_OR_ENCODED
@pytest.mark.parametrize(
    "move", [lambda p: np.copyto(p, p[::-1].copy()), lambda p: np.copyto(p, np.roll(p, 8, 1))]
)
def test_pixels_that_only_changed_places_are_another_picture(move, use):
    """The sums of the whole are the same."""
    frames, pixels = Frames(), a_frame(1, 96, 128)
    first = frames.of(pixels)
    use(first)
    move(pixels)
    assert frames.of(pixels) is not first


def test_a_frame_is_encoded_once_whoever_asks_and_however_often():
    """The first caller's quality counts."""
    frame = Frame(pixels := a_frame(1))
    assert frame.encode(95) is frame.encode(85)
    assert frame.encode(85).data == encode_jpeg(pixels, 95).data


def test_frames_do_not_keep_pictures_alive():
    """A camera makes thirty a second."""
    frames, pixels = Frames(), a_frame(1)
    frames.of(pixels)
    gone = weakref.ref(pixels)
    del pixels
    gc.collect()
    assert gone() is None
    assert not frames._frames


def test_what_is_drawn_after_a_frame_was_kept_is_another_frame_however_it_is_encoded():
    """Frames that are encoded together are looked at before; what counts is what is encoded."""
    pixels, other = a_frame(1), a_frame(2)
    frames = Frames()
    kept = frames.of(pixels)
    kept.keep()
    pixels[:] = 255
    encode_together([(kept, 95), (frames.of(other), 85)])
    assert kept.encode(95) == encode_jpeg(a_frame(1), 95)
    assert frames.of(pixels) is not kept


def test_a_kept_frame_shows_what_was_there_when_it_was_kept():
    """Later steps may draw on the array before the recording thread comes to it."""
    pixels = a_frame(1)
    expected = encode_jpeg(pixels, 95).data
    frame = Frame(pixels)
    frame.keep()
    pixels[:] = 0
    assert frame.encode(95).data == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_with_these_pixels_is_passed_on(kind):
    """Byte for byte."""
    pixels = a_frame(1)
    file = _file(kind, pixels)
    assert Frame(pixels, file).encode(95).data == file
    assert Frame(pixels, file).encode(95).content_type == f"image/{kind.lower()}"


def test_a_file_that_does_not_show_these_pixels_is_not_passed_on():
    """Of another size, another format, turned by EXIF, or no picture."""
    pixels = a_frame(1)
    turned = Image.Exif()
    turned[0x0112] = 6
    for file in (
        _file("JPEG", pixels[:-1]), _file("BMP", pixels), _file("JPEG", pixels, exif=turned), b"", b"\xff\xd8junk",
        _file("PNG", pixels)[:30],
    ):  # fmt: skip
        assert as_it_came(file, 120, 90) is None


@pytest.mark.parametrize("pixels", [a_frame(1)[:, :, 0], a_frame(1).astype(float), a_frame(1)[::2, ::2]])
def test_gray_floating_and_strided_pictures_can_be_encoded(pixels):
    """Whatever a block hands over."""
    image = encode_jpeg(pixels, 95)
    assert (
        cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2] == pixels.shape[:2]
    )
    assert (image.width, image.height) == pixels.shape[1::-1]
    assert Frames().of(pixels).width == pixels.shape[1]


@pytest.mark.parametrize("thing", ["frame.jpg", Image.new("RGB", (4, 3)), np.zeros(5, np.uint8), None])
def test_what_is_no_array_is_refused_with_what_is_wanted(thing):
    """A path, a PIL image, a row of numbers."""
    with pytest.raises(TypeError, match="numpy array"):
        Frames().of(thing)


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 10, 2), (10, 10, 7)])
def test_what_is_no_picture_is_refused_with_its_shape(shape):
    """An event is recorded without it."""
    with pytest.raises(InvalidEvent, match=str(shape[2])):
        encode_jpeg(np.zeros(shape, np.uint8), 95)
