"""Threads that work at the same time and never keep a process from ending.

The executors of the standard library are joined when the interpreter exits, however long a
request hangs; and its other pool brings semaphores and imports that do not survive a fork.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

logger = logging.getLogger("vision_event_block")

Task = Callable[[], None]


class Pool:
    """Up to `size` daemon threads, started as they are needed."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = f"vision-events-{name}"
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unfinished = 0

    def submit(self, task: Task) -> None:
        """Runs the task as soon as a thread is free. Tasks tell their outcome themselves."""
        with self._lock:
            self._unfinished += 1
            if self._threads < min(self._size, self._unfinished):
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
                self._threads += 1
        self._tasks.put(task)

    def close(self) -> None:
        """Lets the threads end once they have nothing to do."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                logger.exception("The backup stumbled and goes on.")
            finally:
                with self._lock:
                    self._unfinished -= 1
