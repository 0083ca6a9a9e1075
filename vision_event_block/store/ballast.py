"""Space kept in reserve, so that a full disk can be left again.

On a full disk SQLite can neither delete nor checkpoint: both write before they free. Giving up
this file makes the room in which delivered events can be removed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

BALLAST_BYTES = 8 * 1024 * 1024
# A small disk (a test's, a RAM disk's) is not burdened with it.
_SHARE_OF_FREE = 8


class Ballast:
    """The reserve of one store, a file beside it."""

    def __init__(self, store: Path) -> None:
        self._path = Path(f"{store}.ballast")

    def release(self) -> bool:
        """Gives the space up; false if it was given up before."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def restore(self) -> None:
        """Takes the space again where there is plenty."""
        if self._path.exists() or not hasattr(os, "posix_fallocate"):
            return
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < BALLAST_BYTES * _SHARE_OF_FREE:
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, BALLAST_BYTES)
            finally:
                os.close(file)
