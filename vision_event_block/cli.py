"""The command line: `vision-events`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

_MISSING = "The command line needs packages that are not installed: pip install 'vision-event-block[{extra}]'"


def main() -> None:
    """Runs the command that was given."""
    try:
        app = _commands()
    except ImportError:
        sys.exit(_MISSING.format(extra="cli"))
    app()


def _commands() -> typer.Typer:
    import typer

    app = typer.Typer(
        help="Vision Events on this device: record, look, back up.",
        no_args_is_help=True,
        add_completion=False,
    )
    backup = typer.Typer(help="The backup of every process on this event store.", no_args_is_help=True)
    app.add_typer(backup, name="backup")

    @app.command()
    def serve(
        host: str = typer.Option("127.0.0.1", help="Address to listen on."),
        port: int = typer.Option(8001, help="Port to listen on."),
    ) -> None:
        """Serve the event store over HTTP, with its page."""
        try:
            from vision_event_block.server.serve import serve as run
        except ImportError:
            _fail(_MISSING.format(extra="server"))
        try:
            run(host, port, on_ready=lambda: typer.echo(f"Event Store on http://{host}:{port}", err=True))
        except ValueError as error:
            _fail(str(error))

    @backup.command("on")
    def backup_on() -> None:
        """Turn the backup on."""
        _switch(True)

    @backup.command("off")
    def backup_off() -> None:
        """Turn the backup off: events are recorded and wait."""
        _switch(False)

    @backup.command("status")
    def backup_status() -> None:
        """Say whether the backup is on, and what waits."""
        _tell()

    return app


def _switch(is_on: bool) -> None:
    from vision_event_block.errors import StoreError
    from vision_event_block.settings import Settings
    from vision_event_block.store import open_store

    try:
        open_store(Settings()).switch_backup(is_on)
    except (StoreError, ValueError) as error:
        _fail(str(error))
    _tell()


def _tell() -> None:
    import typer

    from vision_event_block.errors import StoreError
    from vision_event_block.recorder import Recorder
    from vision_event_block.status import device_status

    try:
        status = device_status(Recorder())
    except (StoreError, ValueError) as error:
        _fail(str(error))
    typer.echo(status.backup_message)
    typer.echo(
        f"{status.counts.pending} pending, {status.counts.delivered} delivered, {status.counts.rejected} rejected"
    )


def _fail(message: str) -> NoReturn:
    import typer

    typer.echo(message, err=True)
    raise typer.Exit(1)
