"""`vision-events serve`: the event store over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from vision_event_block.cli import terminal


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65_535)] = 8001,
) -> None:
    """Serve the event store, with its page.

    \b
    vision-events serve
    VISION_EVENTS_SERVER_KEYS=$(openssl rand -hex 24) vision-events serve --host 0.0.0.0
    """
    try:
        from vision_event_block.server.serve import serve as run
    except ImportError:
        terminal.fail(
            "The service needs packages that are not installed: pip install 'vision-event-block[server]'"
        )
    run(host, port, on_ready=lambda: terminal.complain(f"Event Store on http://{host}:{port}"))
