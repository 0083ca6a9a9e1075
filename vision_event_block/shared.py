"""The one recorder of a process, which every step of every Workflow in it uses."""

from __future__ import annotations

import os
import threading

from vision_event_block.metrics import register_with_host
from vision_event_block.recorder import Recorder

_shared: Recorder | None = None
_shared_lock = threading.Lock()
_shows_metrics = False


def shared_recorder() -> Recorder:
    """The one recorder of this process, configured by the environment. The Workflow step uses it."""
    global _shared, _shows_metrics
    with _shared_lock:
        if _shared is None or _shared.closed:
            _shared = Recorder()
        if not _shows_metrics:
            register_with_host(lambda: shared_recorder().store)
            _shows_metrics = True
        return _shared


def _after_fork() -> None:
    # The parent's lock may have been held by a thread that does not exist here.
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
