"""`vision-events sync`: delivers what is pending."""

from __future__ import annotations

import logging
import time
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from vision_event_block.cli import device, terminal
from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings
from vision_event_block.status import device_status

_LOOK_EVERY = 0.5
_LAST_WORDS = 1.0


def sync(
    watch: Annotated[bool, typer.Option("--watch", help="Keep going until it is interrupted.")] = False,
) -> None:
    """Deliver what is pending now.

    It does not wait for the next attempt that is due.
    Exit code 3 if something is pending still, with the reason.

    \b
    vision-events sync
    vision-events sync --watch
    """
    logging.disable()  # what is rejected or waits is told in the end
    store_path = device.recorder().settings.store_path
    # Whoever says sync means it, whatever this process would do by itself.
    settings = Settings(store=str(store_path), backup=True)
    with Recorder(settings) as recorder:
        if not recorder.store.backup_switch().is_on:
            terminal.fail(
                "Backup is switched off for this event store: `vision-events backup on` turns it on."
            )
        before = recorder.store.counts()
        recorder.store.queue.hurry()
        recorder.resume()
        try:
            with terminal.progress("delivering") as bar:
                _follow(recorder, bar, bar.add_task("", total=before.pending), before.delivered, watch)
        except KeyboardInterrupt:
            # What is on its way just now is told as what becomes of it.
            recorder.flush(_LAST_WORDS)
        _conclude(recorder, before.delivered, before.rejected)


def _follow(recorder: Recorder, bar: Progress, task: TaskID, delivered: int, watch: bool) -> None:
    is_done = False
    while watch or not is_done:
        is_done = recorder.flush(_LOOK_EVERY)
        counts = recorder.store.counts()
        done = counts.delivered - delivered
        bar.update(task, completed=done, total=done + counts.pending)
        if is_done and watch:
            time.sleep(_LOOK_EVERY)


def _conclude(recorder: Recorder, delivered: int, rejected: int) -> None:
    found = device_status(recorder)
    counts = found.counts
    terminal.say(f"{counts.delivered - delivered} delivered, {counts.pending} pending.")
    if counts.rejected > rejected:
        terminal.say(
            f"{counts.rejected - rejected} rejected: `vision-events list --state rejected` shows them."
        )
    if not counts.pending:
        return
    reasons = [f"{waiting.destination}: {waiting.reason}" for waiting in found.waiting]
    terminal.fail("; ".join(reasons) or "Another process is delivering the rest.", terminal.IN_PART)
