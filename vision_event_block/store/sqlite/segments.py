"""Large images, one after the other in files beside the database.

In the database each of their bytes is written twice, to the log and from there to its page, and page by page.
Here it is written once, and the database keeps where. They are synced before the transaction that names them
commits, so an event never comes without them; what a transaction left behind that did not commit is written over.
That sync is one more, so it is made where several events share it: one that comes alone, as when somebody
waits for it, goes into the database with its images.

All that writes here happens inside a write transaction of the database, so one process at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vision_event_block.store.sqlite.queries import SQL

SUFFIX = ".images"
"""What the name of the folder of a database ends in."""
# A smaller one is not worth a sync of its own.
_LARGE = 64 * 1024
# So many events in a transaction share it.
_TOGETHER = 2
_SEGMENT_BYTES = 16 * 1024 * 1024
# A small store has small ones, or its quota would be a few of them.
_SEGMENTS_OF_A_QUOTA = 32
SPARSE = 0.5
"""Where less than this share of a segment is alive, it is worth moving."""


@dataclass(frozen=True)
class Place:
    """Where an image is: from which byte of which segment, and how long it is."""

    segment: int
    start: int
    size: int


class Segments:
    """The segments of one database, numbered; only the last one grows.

    Attributes:
        folder: Where they are.
        large: Images of so many bytes belong here,
        together: if so many events or more are recorded in one transaction.
    """

    def __init__(self, database: Path, max_bytes: int) -> None:
        self.folder = Path(f"{database}{SUFFIX}")
        self.large = _LARGE
        self.together = _TOGETHER
        self._bytes = min(_SEGMENT_BYTES, max_bytes // _SEGMENTS_OF_A_QUOTA)
        self._unsynced: set[Path] = set()

    def append(self, connection: sqlite3.Connection, data: bytes) -> Place:
        """Writes an image behind the last one of this transaction.

        Raises:
            OSError: There is no room, or the disk cannot be written.
        """
        number, size = connection.execute(SQL["last_segment"]).fetchone() or (0, self._bytes)
        if size >= self._bytes:
            number, size = number + 1, 0
            connection.execute(SQL["add_segment"], {"number": number})
        path = self._path(number)
        if size == 0:
            if not self.folder.exists():
                self.folder.mkdir(mode=0o700)
                self._unsynced.add(self.folder.parent)
            self._unsynced.add(self.folder)
        with _opened(path, os.O_WRONLY | os.O_CREAT) as file:
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(file, memoryview(data)[written:], size + written)
            except OSError:
                with contextlib.suppress(OSError):  # on a full disk, what came of it takes the room
                    os.ftruncate(file, size)
                raise
        self._unsynced.add(path)
        connection.execute(SQL["grow_segment"], {"number": number, "size": size + len(data)})
        return Place(number, size, len(data))

    def sync(self) -> None:
        """Puts on disk what was appended. To be called before the transaction commits."""
        # What is named before the folder that names it.
        for path in sorted(self._unsynced, key=lambda path: len(path.parts), reverse=True):
            with _opened(path, os.O_RDONLY) as file:
                os.fdatasync(file) if path.parent == self.folder else os.fsync(file)
        self._unsynced.clear()

    def forget(self) -> None:
        """What was appended is not needed: its transaction does not commit."""
        self._unsynced.clear()

    def read(self, place: Place) -> bytes | None:
        """The image, as far as it is there; None if there is no such segment any more."""
        try:
            with _opened(self._path(place.segment), os.O_RDONLY) as file:
                return os.pread(file, place.size, place.start)
        except FileNotFoundError:
            return None

    def free(self, connection: sqlite3.Connection) -> list[int]:
        """Takes dead segments out of the database; `unlink` them once that is committed."""
        last = connection.execute(SQL["last_segment"]).fetchone()
        dead = [number for (number,) in connection.execute(SQL["dead_segments"]).fetchall()]
        if last and last[0] in dead:
            # Its number must not come again: somebody may still be reading.
            connection.execute(SQL["add_segment"], {"number": last[0] + 1})
        for number in dead:
            connection.execute(SQL["delete_segment"], {"number": number})
        return dead

    def compact(self, connection: sqlite3.Connection, share: float) -> bool:
        """Moves what is left of the emptiest segment, if it is less than this share. False if none is."""
        found = connection.execute(SQL["sparse_segment"], {"share": share}).fetchone()
        if found is None:
            return False
        for row, *where in connection.execute(SQL["images_in"], {"segment": found[0]}).fetchall():
            place = self.append(connection, self.read(Place(*where)) or b"")
            connection.execute(
                SQL["move_image"], {"row": row, "segment": place.segment, "start": place.start}
            )
        return True

    def unlink(self, numbers: list[int]) -> None:
        """Gives the room of segments back that no image is in."""
        for number in numbers:
            self._path(number).unlink(missing_ok=True)

    def unlink_all_but(self, numbers: set[int]) -> None:
        """Removes what was left by a process that died before it could."""
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.name.isdecimal() and int(path.name) not in numbers:
                    path.unlink(missing_ok=True)

    def missing(self, connection: sqlite3.Connection) -> list[str]:
        """What is not there, for people."""
        return [
            f"{path} is missing or too short: images in it are lost"
            for number, size in connection.execute(SQL["segments"]).fetchall()
            if size and not ((path := self._path(number)).is_file() and path.stat().st_size >= size)
        ]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}"


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)
