"""`vision-events backup`: the backup of every process on this event store."""

from __future__ import annotations

import typer

from vision_event_block.cli import terminal
from vision_event_block.cli.options import AsJson
from vision_event_block.recorder import Recorder
from vision_event_block.status import device_status

app = typer.Typer(help="Turn the backup of this event store on or off.", no_args_is_help=True)


@app.command()
def on() -> None:
    """Turn the backup on."""
    _switch(True)


@app.command()
def off() -> None:
    """Turn the backup off: events are recorded and wait."""
    _switch(False)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say whether the backup is on, and what waits."""
    _tell(Recorder(), as_json)


def _switch(is_on: bool) -> None:
    recorder = Recorder()
    recorder.store.switch_backup(is_on)
    _tell(recorder)


def _tell(recorder: Recorder, as_json: bool = False) -> None:
    found = device_status(recorder)
    counts = found.counts
    if as_json:
        terminal.say_json(
            {
                "is_on": found.is_switched_on, "state": found.backup, "message": found.backup_message,
                "pending": counts.pending, "delivered": counts.delivered, "rejected": counts.rejected,
            }
        )  # fmt: skip
        return
    terminal.say(found.backup_message)
    terminal.say(f"{counts.pending} pending, {counts.delivered} delivered, {counts.rejected} rejected")
