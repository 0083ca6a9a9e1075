"""Memory for copies of frames, used again and again.

A large array that is freed goes back to the system, and the next one is faulted in page by page, which
costs ten times as much as the copy itself.
"""

from __future__ import annotations

import contextlib
import mmap
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class Buffers:
    """Arrays that nobody uses at the moment. Safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        """Args:
        max_bytes: Memory that may lie here unused.
        """
        self._max_bytes = max_bytes
        # Its operations are atomic, so that a fork leaves no lock behind.
        self._free: deque[Array] = deque()

    def copy(self, pixels: Array) -> Array:
        """A copy of the pixels, in memory that was used before where there is some that fits."""
        import numpy as np

        buffer = self._taken(pixels)
        if buffer is None and pixels.size:
            # Straight from the system: a heap keeps what it was given, one for every few threads.
            memory = mmap.mmap(-1, pixels.nbytes)
            buffer = np.frombuffer(memory, pixels.dtype).reshape(pixels.shape)
        if buffer is None:
            return pixels.copy()
        np.copyto(buffer, pixels)
        return buffer

    def give_back(self, buffer: Array) -> None:
        """Whoever gives back a copy must not look at it any more."""
        self._free.append(buffer)
        # What was used last is warm; what nobody asks for any more is oldest.
        while sum(free.nbytes for free in list(self._free)) > self._max_bytes:
            with contextlib.suppress(IndexError):
                self._free.popleft()

    def _taken(self, pixels: Array) -> Array | None:
        for _ in range(len(self._free)):
            try:
                buffer = self._free.pop()
            except IndexError:  # another thread was faster
                break
            if buffer.shape == pixels.shape and buffer.dtype == pixels.dtype:
                return buffer
            self._free.appendleft(buffer)
        return None
