"""A frame -> encoded bytes, once, however many steps of a Workflow use the frame."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from vision_event_block.errors import InvalidEvent
from vision_event_block.pool import Pool

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# What the stock block sends: the original is worth more bytes than the picture drawn from it.
INPUT_QUALITY = 95
OUTPUT_QUALITY = 85

_EXIF_ORIENTATION = 0x0112
_PASSED_ON = {"JPEG": "image/jpeg", "PNG": "image/png"}
_EXTENSIONS = {
    "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "image/tiff": "tiff",
    "image/bmp": "bmp", "image/heic": "heic", "image/avif": "avif",
}  # fmt: skip


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory.

    Attributes:
        data: The bytes of the file.
        content_type: Its media type, such as `image/jpeg`.
        width, height: Size in pixels.
        sha256: Digest of `data` in hexadecimal; it names the image in the event store.
    """

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    sha256: str

    @classmethod
    def of(cls, data: bytes, content_type: str, width: int, height: int) -> EncodedImage:
        """The image with its digest."""
        return cls(data, content_type, width, height, hashlib.sha256(data).hexdigest())


def _make_encoders() -> None:
    global _encoders
    _encoders = Pool(max((os.cpu_count() or 1) - 1, 1), "encode")


_encoders: Pool
_make_encoders()
if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_make_encoders)


def extension_of(content_type: str) -> str:
    """The usual end of the name of such a file, without the dot."""
    return _EXTENSIONS.get(content_type, "bin")


class Frame:
    """One frame of a run, shared by every step that sends it, and encoded by whoever needs it first.

    It holds the pixels weakly, so that it never keeps a frame alive; `keep()` makes a copy
    for whoever wants to encode after the run went on.
    """

    def __init__(self, pixels: Array, original: bytes | None = None) -> None:
        """Args:
        pixels: (height, width, 3) uint8 in BGR order, or (height, width) gray.
        original: The JPEG or PNG file from which the pixels were decoded, if they are unchanged.
        """
        self._pixels = weakref.ref(pixels)
        self._copy: Array | None = None
        self._mark: bytes | None = None
        self._lock = threading.Lock()
        self.height, self.width = int(pixels.shape[0]), int(pixels.shape[1])
        self._encoded = as_it_came(original, self.width, self.height) if original else None
        if self._encoded is not None:
            self._mark = _mark(pixels)

    @property
    def held_bytes(self) -> int:
        """Bytes that stay in memory for this frame until it is recorded."""
        if self._encoded is not None:
            return len(self._encoded.data)
        return 0 if self._copy is None else int(self._copy.nbytes)

    def keep(self) -> None:
        """Copies the pixels unless they are encoded, because later steps may draw on them in place."""
        with self._lock:
            if self._encoded is None and self._copy is None:
                pixels = self._pixels()
                self._copy = None if pixels is None else pixels.copy()

    def encode(self, quality: int) -> EncodedImage:
        """The image file. The quality counts for the first caller; later ones get the same file.

        Raises:
            InvalidEvent: If the pixels are no image that can be encoded.
        """
        with self._lock:
            if self._encoded is None:
                pixels = self._copy if self._copy is not None else self._pixels()
                if pixels is None:
                    raise InvalidEvent("The frame is gone: encode it while the step runs, or keep() it.")
                self._mark = _mark(pixels)
                self._encoded = encode_jpeg(pixels, quality)
                self._copy = None
            return self._encoded

    def shows(self, pixels: Array) -> bool:
        """Whether these pixels are the frame's and still look as they did when it was kept or encoded."""
        import numpy as np

        if self._pixels() is not pixels:
            return False
        with self._lock:
            if self._mark is not None:
                return self._mark == _mark(pixels)
            return self._copy is None or np.array_equal(self._copy, pixels)


def encode_beside(frames: Iterable[tuple[Frame, int]]) -> None:
    """Begins to encode frames, each of a quality, while the caller encodes others.

    Whoever needs one calls `encode` all the same: it waits for what is under way, and does what is not.
    """
    for frame, quality in frames:
        _encoders.submit(partial(_try_to_encode, frame, quality))


def _try_to_encode(frame: Frame, quality: int) -> None:
    with contextlib.suppress(InvalidEvent):  # whoever needs it meets the error again
        frame.encode(quality)


def encode_jpeg(pixels: Array, quality: int) -> EncodedImage:
    """Encodes (height, width, 3) BGR or (height, width) gray pixels as JPEG.

    Raises:
        InvalidEvent: If the array is no such image.
    """
    import cv2
    import numpy as np

    if pixels.dtype != np.uint8:
        pixels = np.clip(np.nan_to_num(pixels), 0, 255).astype(np.uint8)
    try:
        done, buffer = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise InvalidEvent(
            f"An image of shape {pixels.shape} cannot be encoded as JPEG: {error.err}"
        ) from None
    if not done:
        raise InvalidEvent(f"An image of shape {pixels.shape} cannot be encoded as JPEG.")
    return EncodedImage.of(buffer.tobytes(), "image/jpeg", int(pixels.shape[1]), int(pixels.shape[0]))


def as_it_came(original: bytes, width: int, height: int) -> EncodedImage | None:
    """The file itself if it is a JPEG or PNG that shows just these pixels, else None.

    A file with an EXIF orientation is not passed on: the engine turned its pixels, and the
    boxes are in the turned picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(original)) as image:
            content_type = _PASSED_ON.get(image.format or "")
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
            if content_type is None or turned or image.size != (width, height):
                return None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return EncodedImage.of(original, content_type, width, height)


class Frames:
    """The frames that are in use now, by the identity of their pixels.

    Steps of one run get the same array. Whether somebody drew on it in between is told by the copy
    that waits to be encoded, and once that is gone by sums over its rows and columns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[int, tuple[weakref.ref[Array], Frame]] = {}

    def of(self, pixels: Array, original: Callable[[], bytes | None] = lambda: None) -> Frame:
        """The frame of these pixels: the one that another step already has, or a new one.

        Args:
            pixels: (height, width, 3) in BGR order, or (height, width) gray.
            original: Gives the file that the pixels were decoded from, if they are unchanged.

        Raises:
            TypeError: If they are no array of two or three dimensions.
        """
        if getattr(pixels, "ndim", 0) not in (2, 3):
            kind = f"{type(pixels).__name__} of shape {getattr(pixels, 'shape', '?')}"
            raise TypeError(f"An image is a {kind}: give a numpy array (height, width, 3) in BGR order.")
        key = id(pixels)
        known = self._frames.get(key)
        if known is not None and known[1].shows(pixels):
            return known[1]
        new = Frame(pixels, original())
        with self._lock:
            # Another step may have come in between with the same pixels.
            other = self._frames.get(key)
            if other is not None and other is not known and other[1].shows(pixels):
                return other[1]
            self._frames[key] = (weakref.ref(pixels, lambda gone: self._forget(key, gone)), new)
        return new

    def _forget(self, key: int, gone: weakref.ref[Array]) -> None:
        # Runs in the garbage collector, at any point of any thread: a lock here could deadlock,
        # and a dictionary operation is atomic.
        known = self._frames.get(key)
        if known is not None and known[0] is gone:
            self._frames.pop(key, None)


def _mark(pixels: Array) -> bytes:
    import numpy as np

    flat = pixels.reshape(pixels.shape[0], -1) if pixels.size else pixels.reshape(1, -1)
    whole = flat.shape[1] // 8 * 8
    if flat.dtype == np.uint8 and flat.flags.c_contiguous and whole == flat.shape[1]:
        flat = flat.view(np.uint64)
    rows = flat.sum(axis=1, dtype=np.uint64)
    # Whatever was moved sideways is taller than a few rows.
    columns = flat[::8].sum(axis=0, dtype=np.uint64)
    return hashlib.blake2b(
        rows.tobytes() + columns.tobytes() + repr(pixels.shape).encode(), digest_size=16
    ).digest()
