"""Space kept in reserve, so that a full disk can be left again.

On a full disk SQLite can neither settle nor delete nor checkpoint: all of them write before they
free. Giving up this file makes the room in which they can.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LARGEST = 8 * 1024 * 1024
# A small disk (a RAM disk, a test's) gives this part of itself.
_SHARE_OF_DISK = 4
# What is recorded is written to the log first and to the database after; and a little for the rest.
_COPIES = 2
_MARGIN = 1024 * 1024


class Ballast:
    """The reserve of one store, a file beside it."""

    def __init__(self, store: Path) -> None:
        self._path = Path(f"{store}.ballast")

    def has_room_beside(self, size: int) -> bool:
        """Whether so many bytes can be recorded without touching the reserve. True where nobody can tell."""
        try:
            free, reserve = self._disk()
        except (OSError, AttributeError):
            return True
        return free >= _COPIES * size + _MARGIN + (0 if self._path.exists() else reserve)

    def release(self) -> None:
        """Gives the space up, for writes that free more than they take."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def restore(self) -> None:
        """Takes the space again where there is enough."""
        if self._path.exists() or not hasattr(os, "posix_fallocate"):
            return
        with contextlib.suppress(OSError):
            free, reserve = self._disk()
            if free < 2 * reserve:
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, reserve)
            finally:
                os.close(file)

    def _disk(self) -> tuple[int, int]:
        """Free bytes of the disk, and how many of it to keep in reserve."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize, min(_LARGEST, disk.f_blocks * disk.f_frsize // _SHARE_OF_DISK)
