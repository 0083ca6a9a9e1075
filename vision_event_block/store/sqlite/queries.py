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


def schema_steps() -> list[str]:
    """The scripts that make an empty database a store of version 1, that one of version 2, and so on."""
    steps: list[str] = []
    while (step := files(__package__) / f"schema_{len(steps) + 1}.sql").is_file():
        steps.append(step.read_text("utf-8"))
    return steps
