"""Lets a caller wait until an event is settled, whichever process delivers it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import State

# Another process tells nobody here when it delivers, so the store is asked now and then.
_POLL = 0.25


class Confirmations:
    """Wakes those who wait when the worker of this process settles something."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._settled = threading.Condition()
        self._waiting = 0
        self._announced = 0

    @property
    def awaited(self) -> bool:
        """Whether anybody waits."""
        return self._waiting > 0

    def announce(self) -> None:
        """Something was settled."""
        with self._settled:
            self._announced += 1
            self._settled.notify_all()

    def wait(self, event_ids: Iterable[str], timeout: float) -> dict[str, tuple[State, str]]:
        """State and reason of each event as soon as none is pending, or when the time is over.

        Raises:
            StoreError: If the store cannot be read.
        """
        with self._settled:
            self._waiting += 1
        try:
            return self._wait(list(event_ids), time.monotonic() + timeout)
        finally:
            with self._settled:
                self._waiting -= 1

    def _wait(self, event_ids: Sequence[str], deadline: float) -> dict[str, tuple[State, str]]:
        while True:
            announced = self._announced
            states = {event_id: self._store.state(event_id) or ("pending", "") for event_id in event_ids}
            left = deadline - time.monotonic()
            if left <= 0 or all(state != "pending" for state, _ in states.values()):
                return states
            with self._settled:
                if announced == self._announced:  # or it was settled just now
                    self._settled.wait(min(left, _POLL))
