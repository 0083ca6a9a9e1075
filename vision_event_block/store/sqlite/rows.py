"""Rows that several parts of the store read or write, inside a transaction of theirs."""

from __future__ import annotations

import sqlite3

from vision_event_block.store.model import Role, Route
from vision_event_block.store.sqlite.queries import SQL

_HISTORY_KEPT = 20


def columns_of(route: Route) -> dict[str, str]:
    """A route as its two columns."""
    return {"destination": route.destination, "credential": route.credential}


def images_of(connection: sqlite3.Connection, seq: int | None) -> dict[tuple[int, Role], str]:
    """SHA-256 of the pictures of an event by (position, role)."""
    rows = connection.execute(SQL["images_of"], {"seq": seq}).fetchall()
    # Damaged bytes make a name that no image has, and that can be asked for all the same.
    return {
        (position, role): str(sha256).encode("ascii", "replace").decode() for position, role, sha256 in rows
    }


def happened(connection: sqlite3.Connection, seq: int | None, what: str, words: str, now: float) -> None:
    """Adds to the history of an event, or counts what happened to it before in the same words."""
    connection.execute(SQL["happened"], {"seq": seq, "what": what, "words": words, "now": now})
    if what != "delivered":
        connection.execute(SQL["forget_early_history"], {"seq": seq, "kept": _HISTORY_KEPT})


def count(connection: sqlite3.Connection, **changes: int) -> None:
    """Changes numbers of the accounting."""
    for name, number in changes.items():
        if number:
            connection.execute(SQL["count"], {"name": name, "number": number})
