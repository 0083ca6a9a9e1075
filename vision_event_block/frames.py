"""A frame -> encoded bytes, once, however many steps of a Workflow use the frame."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from vision_event_block.buffers import Buffers
from vision_event_block.errors import InvalidEvent
from vision_event_block.images import EncodedImage, as_it_came, encode_jpeg
from vision_event_block.pool import Pool

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


# Twelve of 1280x720, or five of 1920x1080.
_BUFFERS = Buffers(32 * 1024 * 1024)


def _make_encoders() -> None:
    global _encoders
    _encoders = Pool(os.cpu_count() or 1, "encode")


_encoders: Pool
_make_encoders()
if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_make_encoders)


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

    @property
    def is_encoded(self) -> bool:
        """Whether the image file is there already."""
        return self._encoded is not None

    def keep(self) -> None:
        """Copies the pixels unless they are encoded, because later steps may draw on them in place."""
        with self._lock:
            if self._encoded is None and self._copy is None:
                pixels = self._pixels()
                self._copy = None if pixels is None else _BUFFERS.copy(pixels)

    def encode(self, quality: int) -> EncodedImage:
        """The image file. The quality counts for the first caller; later ones get the same file.

        Raises:
            InvalidEvent: If the pixels are no image that can be encoded.
        """
        with self._lock:
            if self._encoded is None:
                pixels = self._as_kept()
                if pixels is None:
                    raise InvalidEvent("The frame is gone: encode it while the step runs, or keep() it.")
                self._note(pixels)
                self._encoded = encode_jpeg(pixels, quality)
                copy, self._copy = self._copy, None
                if copy is not None:
                    _BUFFERS.give_back(copy)
            return self._encoded

    def mark(self) -> None:
        """Notes how the pixels look, which `encode` does otherwise."""
        with self._lock:
            if self._encoded is None and (pixels := self._as_kept()) is not None:
                self._note(pixels)

    def _as_kept(self) -> Array | None:
        """What is to be encoded: the copy, since somebody may have drawn on the pixels."""
        return self._copy if self._copy is not None else self._pixels()

    def _note(self, pixels: Array) -> None:
        # Once the array is gone nobody can ask whether it still looks so.
        if self._mark is None and self._pixels() is not None:
            self._mark = _mark(pixels)

    def shows(self, pixels: Array) -> bool:
        """Whether these pixels are the frame's and still look as they did when it was kept or encoded."""
        import numpy as np

        if self._pixels() is not pixels:
            return False
        with self._lock:
            if self._mark is not None:
                return self._mark == _mark(pixels)
            return self._copy is None or np.array_equal(self._copy, pixels)


def encode_together(frames: Iterable[tuple[Frame, int]]) -> None:
    """Encodes frames, each at a quality, at the same time. What cannot be encoded says so when it is asked for.

    All of them in other threads, while the caller waits: one that goes on with a frame of its own keeps its
    processor, and the kernel often wakes the other thread on just that one.
    """
    distinct = {id(frame): (frame, quality) for frame, quality in frames if not frame.is_encoded}
    if len(distinct) < 2:
        return
    done = threading.Semaphore(0)
    for frame, _ in distinct.values():
        # Here, where nobody else wants the interpreter: a thread that waits for it is woken on the wrong processor.
        frame.mark()
    for frame, quality in distinct.values():
        try:
            _encoders.submit(partial(_try_to_encode, frame, quality, done))
        except RuntimeError:  # the interpreter is shutting down, and starts no thread any more
            done.release()
    for _ in distinct:
        done.acquire()


def _try_to_encode(frame: Frame, quality: int, done: threading.Semaphore) -> None:
    try:
        with contextlib.suppress(InvalidEvent):  # whoever needs it meets the error again
            frame.encode(quality)
    finally:
        done.release()


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
