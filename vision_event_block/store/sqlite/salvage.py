"""Saves what can still be read of a damaged store.

SQLite stops at the first page that makes no sense. Most of a damaged file is well, so it is read
from the beginning, then from the end, then event by event in between.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.store.model import HERE, NewEvent, Role, Route
from vision_event_block.store.sqlite.database import PAGE_SIZE, SET_ASIDE, Database, as_text
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.segments import SUFFIX, Place, Segments

logger = logging.getLogger("vision_event_block")

SALVAGED = ".salvaged"
"""What is added to the name of a file of which everything readable was saved."""
_REPAIRED = ".repaired"

# Beyond the last event that is found from the beginning so many are looked for, one by one.
_LOOKED_FOR = 20_000
_LAST = 2**62

# What a scan answers: first the place of a row in its table.
Row = tuple[Any, ...]


def set_aside_files(path: Path) -> list[Path]:
    """Damaged files that a store left behind and nobody has saved the events of, the oldest first."""
    found = path.parent.glob(f"{path.name}{SET_ASIDE}*")
    return sorted(
        file for file in found if not file.name.endswith((SALVAGED, _REPAIRED, SUFFIX, "-wal", "-shm"))
    )


def set_saved(damaged: Path) -> None:
    """Marks a damaged file as one of which everything readable was saved."""
    for suffix in (SUFFIX, ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{damaged}{suffix}").rename(f"{damaged}{SALVAGED}{suffix}")


def readable_events(damaged: Path) -> Iterator[NewEvent]:
    """Events that had not arrived, as far as they can be read, with those of their images that are whole."""
    with _opened(damaged) as connection:
        places = {sha256: place for place, sha256 in _rows(connection, "image")}
        for seq, event_id, destination, credential, body in _rows(connection, "event"):
            try:
                event = VisionEvent.model_validate_json(body)
                _require_text(event_id, destination, credential)
            except ValueError as error:  # the errors of validating and of decoding are of this kind
                logger.error(
                    "The event %s in the damaged event store %s is lost: %s", event_id, damaged, error
                )
                continue
            images = _images(connection, seq, event, places, Segments(damaged, 0))
            yield NewEvent.of(
                event if images else event.without_images(), Route(destination, credential), images
            )


@contextlib.contextmanager
def _opened(damaged: Path) -> Iterator[sqlite3.Connection]:
    """The file, or a copy whose first page is sound: without that page nothing at all can be read."""
    with contextlib.closing(_connect(damaged)) as connection:
        if _knows_its_tables(connection):
            yield connection
            return
    copy = damaged.with_name(f"{damaged.name}{_REPAIRED}")
    try:
        shutil.copyfile(damaged, copy)
        _replace_first_page(copy)
        with contextlib.closing(_connect(copy)) as connection:
            yield connection
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = as_text
    return connection


def _knows_its_tables(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1 FROM event JOIN event_image JOIN image LIMIT 0").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return True


def _replace_first_page(file: Path) -> None:
    """Takes the first page of a new store: it says only where the tables begin, which is always the same."""
    with tempfile.TemporaryDirectory() as folder, file.open("r+b") as broken:
        model = Path(folder) / "model.db"
        database = Database(model, PAGE_SIZE * 1000)
        with database.transaction():
            pass
        database.close()
        page = bytearray(model.read_bytes()[:PAGE_SIZE])
        pages = file.stat().st_size // PAGE_SIZE
        # Offsets as in https://sqlite.org/fileformat.html: the size, no free pages, no log beside it.
        page[18:20] = b"\x01\x01"
        page[28:32] = pages.to_bytes(4, "big")
        page[32:40] = bytes(8)
        page[24:28] = page[92:96]
        broken.write(page)


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Rows of a table around the pages that cannot be read."""
    first, last = 0, _LAST
    with contextlib.suppress(sqlite3.Error):
        while row := _row(connection, f"salvage_{table}_after", first):
            if row[0] <= first:  # a place that is damaged leads back, and would for ever
                break
            yield row
            first = row[0]
        else:
            return
    with contextlib.suppress(sqlite3.Error):
        while (row := _row(connection, f"salvage_{table}_before", last)) and row[0] > first:
            if row[0] >= last:
                break
            yield row
            last = row[0]
        else:
            return
    for place in range(first + 1, min(last, first + _LOOKED_FOR)):
        with contextlib.suppress(sqlite3.Error):
            if (row := _row(connection, f"salvage_{table}_after", place - 1)) and row[0] == place:
                yield row


def _row(connection: sqlite3.Connection, query: str, place: int) -> Row | None:
    row: Row | None = connection.execute(SQL[query], {"place": place, "here": HERE}).fetchone()
    return row


def _images(
    connection: sqlite3.Connection,
    seq: int,
    event: VisionEvent,
    places: Mapping[str, int],
    segments: Segments,
) -> dict[tuple[int, Role], EncodedImage]:
    images: dict[tuple[int, Role], EncodedImage] = {}
    for position, role, sha256 in _digests(connection, seq):
        with contextlib.suppress(sqlite3.Error, TypeError, KeyError, ValueError, OSError):
            row = connection.execute(SQL["salvage_image"], {"place": places[sha256]}).fetchone()
            content_type, width, height, segment, start, size, data = row
            _require_text(content_type)
            if segment is not None:
                data = segments.read(Place(segment, start, size))
            if hashlib.sha256(data).hexdigest() == sha256:
                images[position, role] = EncodedImage(data, content_type, int(width), int(height), sha256)
                continue
        logger.warning("The %s image of event %s is lost: it is damaged.", role, event.event_id)
    return images


def _require_text(*values: object) -> None:
    """Raises ValueError for what came out of a damaged row and is no text that could be written again."""
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        value.encode()


def _digests(connection: sqlite3.Connection, seq: int) -> list[Row]:
    """Which images an event has. An index holds the same as the table, should that be damaged."""
    for query in ("images_of", "salvage_images_of"):
        with contextlib.suppress(sqlite3.Error):
            return connection.execute(SQL[query], {"seq": seq}).fetchall()
    return []
