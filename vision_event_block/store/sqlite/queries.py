"""The statements of `queries.sql`, by name."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def _load() -> dict[str, str]:
    parts = _NAME.split((files(__package__) / "queries.sql").read_text("utf-8"))
    return {
        name: statement.strip().rstrip(";") for name, statement in zip(parts[1::2], parts[2::2], strict=True)
    }


SQL = _load()
"""Statement by name."""


def load_schema() -> str:
    """The script that makes an empty database a store of version 1."""
    return (files(__package__) / "schema.sql").read_text("utf-8")
