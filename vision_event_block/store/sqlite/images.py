"""The image files of a store: small ones in the database, large ones in segments beside it."""

from __future__ import annotations

import hashlib
import sqlite3

from vision_event_block.images import EncodedImage
from vision_event_block.store.model import StoredImage
from vision_event_block.store.recent import RecentImages
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.segments import Place

# About what a camera of 1920x1080 sends in half a second.
_RECENT_BYTES = 8 * 1024 * 1024
# A segment may move on while somebody looks for it.
_LOOKS = 3


class SQLiteImages:
    """Images by their SHA-256, each kept once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = RecentImages(_RECENT_BYTES)

    def insert(self, connection: sqlite3.Connection, image: EncodedImage, events: int = 1) -> bool:
        """Adds an image in the transaction of the caller, of so many events; false if it is there already."""
        if connection.execute(SQL["has_image"], {"sha256": image.sha256}).fetchone():
            return False
        row = {
            "sha256": image.sha256, "content_type": image.content_type, "width": image.width, "height": image.height,
            "size": len(image.data), "segment": None, "start": None, "data": image.data,
        }  # fmt: skip
        segments = self._database.segments
        if len(image.data) >= segments.large and events >= segments.together:
            place = segments.append(connection, image.data)
            row |= {"segment": place.segment, "start": place.start, "data": None}
        connection.execute(SQL["insert_image"], row)
        return True

    def recorded(self, image: EncodedImage) -> None:
        """Keeps an image in memory that is likely to be sent now."""
        if len(image.data) >= self._database.segments.large:
            self._recent.keep(image)

    def get(self, sha256: str) -> StoredImage | None:
        """An image, or None if it is not there, or not with the bytes that were recorded."""
        for _ in range(_LOOKS):
            with self._database.reading() as connection:
                row = connection.execute(SQL["image"], {"sha256": sha256}).fetchone()
            if row is None:
                return None
            *told, segment, start, size, data = row
            recent = self._recent.take(sha256)
            if recent is not None:
                return StoredImage(recent.data, *told)
            if segment is not None:
                data = self._database.segments.read(Place(segment, start, size))
            if data is not None:
                # SQLite checks its pages only for their form, and nobody checks a segment.
                return StoredImage(data, *told) if hashlib.sha256(data).hexdigest() == sha256 else None
        return None
