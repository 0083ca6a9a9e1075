"""The terminal: words, tables, JSON, progress, and how a command fails."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vision_event_block.errors import VisionEventError
from vision_event_block.mending import shown

FAILED, IN_PART, INTERRUPTED = 1, 3, 130

# Into a file or a pipe lines are as long as they are.
_WIDE = 100_000
_SHOWN_PROBLEMS = 5


def _console(to_stderr: bool = False) -> Console:
    made = Console(stderr=to_stderr, highlight=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def safe(value: object) -> str:
    """Text of anybody, without the signs that would steer the terminal."""
    return "".join(
        sign if sign == "\n" or unicodedata.category(sign)[0] != "C" else "\ufffd" for sign in str(value)
    )


def say(message: object = "") -> None:
    """A line for the reader."""
    _console().print(Text(safe(message)), soft_wrap=True)


def complain(message: object) -> None:
    """A line beside what a program reads."""
    _console(to_stderr=True).print(Text(safe(message)), soft_wrap=True)


def say_json(value: Any) -> None:
    """A document for a program."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "replace"))


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Ends the command."""
    complain(message)
    raise typer.Exit(code)


def confirm(question: str) -> None:
    """Asks on the error output, where no program reads it. Ends the command unless the answer is yes."""
    _console(to_stderr=True).print(Text(safe(f"{question} [y/N] ")), end="", soft_wrap=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        fail("Nothing was done. Answer y, or give --yes.")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> None:
    """Prints rows under their names."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(safe(cell)) for cell in row))
    _console().print(made)


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Prints names and values; what has no value is left out."""
    made = Table.grid(padding=(0, 3, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, ""):
            made.add_row(name, value if isinstance(value, Text) else Text(safe(value)))
    _console().print(made)


def progress(unit: str) -> Progress:
    """A bar that only people see: nothing is printed where nobody watches."""
    console = _console(to_stderr=True)
    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


_COLOURS = {"delivered": "green", "pending": "yellow", "rejected": "red", "ok": "green", "warning": "yellow", "problem": "red"}  # fmt: skip


def state(name: str) -> Text:
    """The name of a state in its colour."""
    return Text(name, style=_COLOURS.get(name, ""))


def problem(error: Exception) -> str | None:
    """What went wrong, in a sentence; None for what nobody expected."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False)
        told = [
            f"{'.'.join(str(part) for part in one['loc']) or error.title}: {one['msg']}, given {shown(one['input'])}"
            for one in found[:_SHOWN_PROBLEMS]
        ]
        more = [f"and {len(found) - len(told)} more"] if len(found) > len(told) else []
        return "; ".join([*told, *more])
    if isinstance(error, VisionEventError | ValueError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return None
