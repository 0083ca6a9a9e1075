"""The command line: `vision-events`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command that was given."""
    try:
        from vision_event_block.cli.app import run
    except ImportError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit(
            "The command line needs packages that are not installed: pip install 'vision-event-block[cli]'"
        )
    run()
