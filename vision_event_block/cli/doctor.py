"""`vision-events doctor`: what is wrong with this device, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from vision_event_block.cli import checks, terminal
from vision_event_block.cli.options import AsJson
from vision_event_block.settings import Settings


def doctor(
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Leave out what takes long: loading the engine, reading the whole store."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with this device, and what to do.

    Checks the plugin, the event store, the key, the destination and the clock. Sends nothing but an empty batch. Exit code 1 if something does not work.

    \b
    vision-events doctor
    vision-events doctor --json | jq '.[] | select(.level != "ok")'
    """
    findings = list(checks.all_of(Settings(), quick))
    if as_json:
        terminal.say_json([vars(finding) for finding in findings])
    else:
        terminal.table(
            ["", "CHECK", "FOUND"],
            [(terminal.state(f.level), f.check, _words(f)) for f in findings],
        )
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(terminal.FAILED)


def _words(finding: checks.Finding) -> Text:
    words = Text(terminal.safe(finding.message))
    if finding.advice:
        words.append(f"\n-> {terminal.safe(finding.advice)}", style="bold")
    return words
