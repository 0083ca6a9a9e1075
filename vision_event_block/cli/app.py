"""All commands, and what they have in common."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from vision_event_block.cli import (
    backup,
    bundles,
    demo,
    doctor,
    events,
    outcomes,
    send,
    serve,
    status,
    sync,
    use_cases,
)
from vision_event_block.cli.terminal import FAILED, INTERRUPTED, complain, problem

_HELP = """Vision Events on this device: look, send, back up.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part (the rest is told), 130 interrupted.
"""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo.demo, status.status, events.list_events, events.show, send.send, sync.sync, outcomes.retry, outcomes.drop,
    outcomes.rekey, bundles.export, bundles.import_bundles, doctor.doctor, serve.serve,
):  # fmt: skip
    name = {"list_events": "list", "import_bundles": "import"}.get(command.__name__, command.__name__)
    app.command(name)(command)
app.add_typer(use_cases.app, name="use-cases")
app.add_typer(backup.app, name="backup")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vision-events {version('vision-event-block')}")
        raise typer.Exit


@app.callback()
def common(
    store: Annotated[
        Path | None,
        typer.Option(
            help="The event store, instead of the one that VISION_EVENTS_STORE names.", show_default=False
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    if store is not None:
        os.environ["VISION_EVENTS_STORE"] = str(store)


def run() -> None:
    """Runs the command; what goes wrong is a sentence and an exit code, never a traceback."""
    try:
        app(prog_name="vision-events")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # `vision-events list | head`: whoever read has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        sentence = problem(error)
        if sentence is None:
            raise
        complain(sentence)
        sys.exit(FAILED)
