"""The use cases of a store."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count

from vision_event_block.errors import NameTaken
from vision_event_block.event_data import MAX_ID_LENGTH
from vision_event_block.store.model import UseCase
from vision_event_block.store.sqlite.database import Database
from vision_event_block.store.sqlite.queries import SQL


class SQLiteUseCases:
    """Implements `UseCases`; see there for what each method promises."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def all(self, is_active: bool | None = None) -> list[UseCase]:
        return self._find(None, is_active)

    def get(self, use_case: str) -> UseCase | None:
        return next(iter(self._find(use_case, None)), None)

    def add(self, name: str) -> UseCase:
        row = {"id": "", "name": name, "now": self._clock()}
        with self._database.transaction() as connection:
            if connection.execute(SQL["same_name"], row).fetchone():
                raise NameTaken(f"There is a use case named {name!r} already: give another name.")
            for candidate in _ids(name):
                if connection.execute(SQL["add_use_case"], {**row, "id": candidate}).rowcount:
                    break
        return UseCase(candidate, name, True, row["now"], row["now"])  # type: ignore[arg-type]

    def change(self, use_case: str, name: str | None = None, is_active: bool | None = None) -> UseCase | None:
        row = {"id": use_case, "name": name, "is_active": is_active, "now": self._clock()}
        with self._database.transaction() as connection:
            if name is not None and connection.execute(SQL["same_name"], row).fetchone():
                raise NameTaken(f"Another use case is named {name!r}: give another name.")
            connection.execute(SQL["change_use_case"], row)
        return self.get(use_case)

    def _find(self, use_case: str | None, is_active: bool | None) -> list[UseCase]:
        with self._database.reading() as connection:
            rows = connection.execute(SQL["use_cases"], {"id": use_case, "is_active": is_active}).fetchall()
        return [UseCase(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]


def _ids(name: str) -> Iterator[str]:
    """Ids that a person can read: `Lid check` is `lid-check`, or `lid-check-2`, ..."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: MAX_ID_LENGTH - 12] or "use-case"
    yield slug
    for number in count(2):
        yield f"{slug}-{number}"
