"""One SQLite file, shared by threads and processes: opening, locking, transactions, damage.

Settings that differ from SQLite's defaults, each for a measured reason:

* WAL with `synchronous=FULL`: the log is synced at each commit, so a committed event survives a
  power cut; `NORMAL` would only survive the death of the process.
* One `flock` around every write of every process. SQLite's own busy handler sleeps and polls, so
  a writer may starve for seconds; and releases before 3.51.3 can damage a file when a checkpoint
  meets a commit (https://sqlite.org/wal.html, "the WAL-reset bug"), which the lock rules out.
* Checkpoints of our own (`tidy`), because one inside a commit makes somebody wait for it.
* `secure_delete` off: Debian turns it on, and then deleting a backlog writes it once more.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from vision_event_block.errors import StoreCorrupt, StoreError, StoreFull, StoreTooNew, StoreUnavailable
from vision_event_block.store.sqlite.ballast import Ballast
from vision_event_block.store.sqlite.queries import SQL, schema_steps
from vision_event_block.store.sqlite.segments import SPARSE, SUFFIX, Segments

try:
    import fcntl
except ImportError:  # Windows: SQLite's own busy handler has to do
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("vision_event_block")

PAGE_SIZE = 4096
_WAL_LIMIT = 4 * 1024 * 1024
_SHRINK_STEPS = 50
# Nobody waits longer than for so many to be moved.
_SEGMENTS_AT_ONCE = 4
# No release has or will have so high a schema version.
_OF_NO_RELEASE = 10_000
SET_ASIDE = ".corrupt-"
"""What the name of a damaged file ends in, before the time."""
# The words of SQLite about a damaged schema may hold bytes of it, which Python then cannot decode.
_RAISED = (sqlite3.DatabaseError, UnicodeDecodeError)
_DAMAGE = ("malformed", "not a database", "file is encrypted", "unsupported file format")
# A connection that came through fork() belongs to the parent and must not even be closed here:
# https://sqlite.org/howtocorrupt.html section 2.6.
_of_the_parent: list[object] = []
_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_held_for_fork: list[Database] = []


class Database:
    """The file behind a store. Opens when first used, and again after a fork or a replaced file."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_pages = max(max_bytes // PAGE_SIZE, 64)
        self.ballast = Ballast(path)
        self.segments = Segments(path, max_bytes)
        self._threads = threading.RLock()
        self._reads = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        self._owner = os.getpid()
        self._identity: tuple[int, int] | None = None
        _databases.add(self)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, alone among all processes. Durable when it ends without an error."""
        with self._exclusive() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self.segments.sync()
                connection.execute("COMMIT")
            except BaseException:
                self.segments.forget()
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. Keep it short: checkpoints wait for readers."""
        with self._errors():
            if self._stale():
                with self._exclusive():
                    pass
            try:
                with self._reads:
                    reader = self._reader
                    if reader is None:
                        raise StoreUnavailable(f"The event store {self.path} was closed.")
                    yield reader
            except _RAISED as error:
                if _is_damage(error):
                    with self._exclusive():
                        if self._reader is reader:  # nobody else has set it aside yet
                            raise self._set_aside(error) from error
                raise

    def require_room(self, size: int) -> None:
        """Raises StoreFull if the disk has no room for so many bytes more."""
        if self.path.parent.exists() and not self.ballast.has_room_beside(size):
            raise self.full("its disk has no room left")

    def tidy(self) -> None:
        """Moves the log into the database once it is large."""
        with contextlib.suppress(OSError):
            if Path(f"{self.path}-wal").stat().st_size < _WAL_LIMIT:
                return
        with self._exclusive() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self.ballast.restore()

    def free_segments(self, share: float = SPARSE) -> int:
        """Gives the room of deleted images back to the disk; returns how many segments went.

        Args:
            share: A segment of whose bytes fewer than this share are alive is moved together with others.
        """
        freed = 0
        for _ in range(_SEGMENTS_AT_ONCE):
            with self.transaction() as connection:
                dead = self.segments.free(connection)
            self.segments.unlink(dead)
            freed += len(dead)
            # On a full disk there is no room to move anything to.
            with contextlib.suppress(StoreFull), self.transaction() as connection:
                if self.segments.compact(connection, share):
                    continue
            break
        return freed

    def shrink(self) -> None:
        """Gives free pages and the log back to the disk, in steps for which nobody waits long."""
        for _ in range(_SHRINK_STEPS):
            with self._exclusive() as connection:
                # Through execute() this pragma frees a single page per call.
                connection.executescript("PRAGMA incremental_vacuum(200);")
                (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            if not free:
                break
        with self._exclusive() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Closes the connections of this process. The next use opens it again."""
        with self._threads, contextlib.suppress(StoreError):
            if self._writer is not None and not self._stale():
                with self._exclusive():
                    self._forget()
            else:
                self._forget()
            if self._lock_file is not None and self._owner == os.getpid():
                os.close(self._lock_file)
                self._lock_file = None

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), self._threads:
            self._leave_what_is_the_parents()
            with self._file_lock():
                try:
                    yield self._open() if self._writer is None or self._stale() else self._writer
                except _RAISED as error:
                    if _is_damage(error):
                        raise self._set_aside(error) from error
                    raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "full" in text:
                # The next write has the room; those that only add are refused before they take it.
                self.ballast.release()
                raise self.full(text) from error
            if _is_damage(error):
                raise StoreCorrupt(f"The event store {self.path} is damaged ({text}).") from error
            raise StoreUnavailable(
                f"The event store {self.path} cannot be used ({text}). Check that the folder exists and is "
                "writable, or set VISION_EVENTS_STORE to another place."
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.ballast.release()
                raise self.full(error.strerror or str(error)) from error
            raise StoreUnavailable(
                f"The event store {self.path} cannot be used ({error.strerror or error}). Check that the folder "
                "can be created and written to, or set VISION_EVENTS_STORE to another place."
            ) from error

    def full(self, reason: str) -> StoreFull:
        """The error of a store without room, for this reason."""
        return StoreFull(
            f"The event store {self.path} is full ({reason}). Free space on its disk, raise "
            "VISION_EVENTS_MAX_BYTES, or let the backup deliver what is pending."
        )

    @contextlib.contextmanager
    def _file_lock(self) -> Iterator[None]:
        if self._lock_file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        lock_file = self._lock_file
        if fcntl is not None:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if fcntl is not None:
                fcntl.flock(lock_file, fcntl.LOCK_UN)

    def _stale(self) -> bool:
        """Whether the open file is no longer the one at the path, or belongs to the parent process."""
        if self._writer is None or self._owner != os.getpid():
            return True
        try:
            found = self.path.stat()
        except OSError:
            return True
        return self._identity != (found.st_dev, found.st_ino)

    def _leave_what_is_the_parents(self) -> None:
        if self._owner != os.getpid():
            _of_the_parent.extend((self._writer, self._reader))
            if self._lock_file is not None:
                # A lock taken through an inherited descriptor is the parent's lock too.
                os.close(self._lock_file)
            self._writer = self._reader = self._lock_file = self._identity = None
            self._owner = os.getpid()

    def _open(self) -> sqlite3.Connection:
        self._forget()
        is_new = not self.path.exists()
        if is_new:
            self._keep_what_is_of_another()
        try:
            writer = self._writer = self._connect()
            self._prepare(writer)
            self.segments.unlink_all_but({number for number, _ in writer.execute(SQL["segments"]).fetchall()})
            self._reader = self._connect()
        except BaseException:
            self._forget()
            raise
        if is_new:
            # The name of a new file is durable only when its folder is synced.
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self.path.chmod(0o600)
        found = self.path.stat()
        self._identity = (found.st_dev, found.st_ino)
        self.ballast.restore()
        return writer

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        connection.text_factory = as_text
        for pragma in (
            f"page_size = {PAGE_SIZE}",
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = OFF",
            "foreign_keys = ON",
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {_WAL_LIMIT}",
            f"max_page_count = {self.max_pages}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master").fetchall()}
        if tables and "event_image" not in tables:
            raise StoreUnavailable(
                f"{self.path} is the database of another program: set VISION_EVENTS_STORE to another place."
            )
        if tables and not 0 < version < _OF_NO_RELEASE:
            raise sqlite3.DatabaseError(f"malformed: its schema version is {version}")
        steps = schema_steps()
        if version > len(steps):
            raise StoreTooNew(
                f"The event store {self.path} has schema version {version}; this release knows up to "
                f"{len(steps)}. Upgrade vision-event-block, or set VISION_EVENTS_STORE to another place."
            )
        if version < len(steps):
            missing = "\n".join(steps[version:])
            connection.executescript(
                f"BEGIN IMMEDIATE; {missing} PRAGMA user_version = {len(steps)}; COMMIT;"
            )
        connection.execute("SELECT count(*) FROM event_image WHERE event_seq = 0").fetchone()

    def _set_aside(self, error: Exception) -> StoreCorrupt:
        """Keeps a damaged file for inspection, so that recording goes on in a new one."""
        self._forget()
        aside = self._aside()
        for suffix in ("", "-wal", "-shm", SUFFIX):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        message = (
            f"The event store {self.path} is damaged ({error}). It was kept as {aside}; "
            "the next event starts a new store, and the backup saves into it what can be read."
        )
        logger.error(message)
        return StoreCorrupt(message)

    def _aside(self) -> Path:
        """A name for what was the store and is so no more."""
        return self.path.with_name(f"{self.path.name}{SET_ASIDE}{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}")

    def _keep_what_is_of_another(self) -> None:
        """Somebody took the database away and left its images: a new one does not write over them."""
        with contextlib.suppress(FileNotFoundError):
            self.segments.folder.rename(f"{self._aside()}{SUFFIX}")

    def _forget(self) -> None:
        with self._reads:
            connections = (self._reader, self._writer)
            self._reader = self._writer = self._identity = None
        for connection in connections:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()


def as_text(stored: bytes) -> str:
    """A text of the file. A damaged byte in it must not make every statement fail that meets it."""
    return stored.decode("utf-8", "surrogateescape")


def _hold_for_fork() -> None:
    # Whoever is inside SQLite at the moment of a fork holds its mutexes for ever in the child.
    for database in list(_databases):
        database._threads.acquire()
        database._reads.acquire()
        _held_for_fork.append(database)


def _go_on_after_fork() -> None:
    while _held_for_fork:
        database = _held_for_fork.pop()
        database._reads.release()
        database._threads.release()
        database._leave_what_is_the_parents()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold_for_fork, after_in_parent=_go_on_after_fork, after_in_child=_go_on_after_fork
    )


def _is_damage(error: BaseException) -> bool:
    return isinstance(error, UnicodeDecodeError) or any(word in str(error) for word in _DAMAGE)
