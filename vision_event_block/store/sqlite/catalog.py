"""What is in a store, to look at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, get_args

from vision_event_block.store.listing import Condition, Cursor, Filter, Happening, Listed, UseCaseCounts
from vision_event_block.store.model import Route, State
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.queries import SQL
from vision_event_block.store.sqlite.rows import images_of

_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TYPES = {"text": "string", "integer": "number", "real": "number", "true": "boolean", "false": "boolean"}
_EVERYTHING = Filter()
_COLUMNS = (
    "seq", "id", "state", "event_type", "use_case", "captured_at", "recorded_at", "settled_at", "reason",
    "attempts", "body",
)  # fmt: skip


class SQLiteCatalog:
    """Implements `Catalog`; see there for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(
        self, wanted: Filter = _EVERYTHING, limit: int = 100, after: Cursor | None = None
    ) -> list[Listed]:
        clauses, values = _where(wanted)
        if after is not None:
            clauses.append("(captured_at < ? OR (captured_at = ? AND seq < ?))")
            values += [after.captured_at, after.captured_at, after.seq]
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        # Every clause is one of the texts below; what a caller gives is bound, never written into it.
        statement = f"{SQL['found']} {where} ORDER BY captured_at DESC, seq DESC LIMIT ?"
        with self._database.reading() as connection:
            rows = connection.execute(statement, [*values, limit]).fetchall()
            return [_listed(connection, row) for row in rows]

    def event(self, event_id: str) -> Listed | None:
        with self._database.reading() as connection:
            row = connection.execute(f"{SQL['found']} WHERE id = ?", [event_id]).fetchone()
            return None if row is None else _listed(connection, row)

    def ids_starting_with(self, prefix: str, limit: int = 10) -> list[str]:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["ids_like"], {"prefix": prefix, "limit": limit}).fetchall()
        return [row[0] for row in rows]

    def by_use_case(self) -> list[UseCaseCounts]:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["use_case_counts"]).fetchall()
        return [UseCaseCounts(*row) for row in rows]

    def check(self) -> list[str]:
        with self._database.reading() as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)").fetchall()]
            missing = self._database.segments.missing(connection)
        return ([] if found == ["ok"] else found) + missing

    def history(self, event_id: str) -> list[Happening]:
        with self._database.reading() as connection:
            return [
                Happening(*row) for row in connection.execute(SQL["history"], {"id": event_id}).fetchall()
            ]

    def over_time(self, since: datetime, until: datetime, steps: int) -> list[dict[str, int]]:
        start, end = since.timestamp(), until.timestamp()
        arguments = {"since": start, "until": end, "step": (end - start) / steps}
        series: list[dict[str, int]] = [{} for _ in range(steps)]
        with self._database.reading() as connection:
            for step, event_type, number in connection.execute(SQL["over_time"], arguments).fetchall():
                place = series[min(step, steps - 1)]
                place[event_type] = place.get(event_type, 0) + number
        return series

    def classes(self, limit: int = 200) -> list[str]:
        with self._database.reading() as connection:
            return [row[0] for row in connection.execute(SQL["classes"], {"limit": limit}).fetchall()]

    def metadata_types(self, use_case: str, of_images: bool = False) -> dict[str, list[str]]:
        query = SQL["image_metadata" if of_images else "event_metadata"]
        types: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for key, kind in connection.execute(query, {"use_case": use_case}).fetchall():
                known = types.setdefault(key, [])
                if kind in _TYPES and _TYPES[kind] not in known:
                    known.append(_TYPES[kind])
        return types


def _listed(connection: sqlite3.Connection, row: Sequence[Any]) -> Listed:
    *columns, destination, credential = row
    fields: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
    return Listed(**fields, route=Route(destination, credential), images=images_of(connection, row[0]))


def _where(wanted: Filter) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    for clause, given in _clauses(wanted):
        clauses.append(clause)
        values += given
    return clauses, values


def _clauses(wanted: Filter) -> Iterator[tuple[str, list[Any]]]:
    if wanted.use_case is not None:
        yield "use_case = ?", [wanted.use_case]
    if wanted.states:
        # Written out, because a partial index serves no bound value. They are the three of `State`.
        known = [f"'{state}'" for state in get_args(State) if state in wanted.states]
        yield (f"state = {known[0]}" if len(known) == 1 else f"state IN ({', '.join(known)})"), []
    if wanted.event_types:
        yield f"event_type IN ({_marks(wanted.event_types)})", [*wanted.event_types]
    if wanted.class_name is not None:
        # Walks the list and asks of each event, because many events may show a class and few are wanted.
        yield "EXISTS (SELECT 1 FROM event_class WHERE class = ? AND event_seq = seq)", [wanted.class_name]
    if wanted.since is not None:
        yield "captured_at >= ?", [wanted.since]
    if wanted.until is not None:
        yield "captured_at < ?", [wanted.until]
    for condition in wanted.conditions:
        yield _compare(condition, "body")
    for condition in wanted.image_conditions:
        clause, given = _compare(condition, "metadata")
        of_event = "SELECT 1 FROM event_image JOIN image USING (sha256) WHERE event_seq = seq"
        yield f"EXISTS ({of_event} AND {clause})", given


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _compare(condition: Condition, column: str) -> tuple[str, list[Any]]:
    path, operator, value = condition
    place = "$" + "".join(f'."{name}"' for name in path)
    if isinstance(value, bool):
        kind = "true" if value else "false"
        negation = "IS NOT" if operator == "neq" else "IS"
        return f"json_type({column}, ?) {negation} ?", [place, kind]
    if operator == "neq":
        return f"json_extract({column}, ?) IS NOT ?", [place, value]
    if operator == "contains":
        return f"instr(lower(json_extract({column}, ?)), lower(?)) > 0", [place, str(value)]
    # SQLite orders numbers before texts, so the kinds are kept apart.
    kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
    return (
        f"(json_type({column}, ?) IN {kinds} AND json_extract({column}, ?) {_OPERATORS[operator]} ?)",
        [place, place, value],
    )
