"""The cooldown of steps, for the whole process.

The engine makes new block objects for every HTTP request, so a timer in the block would forget.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

# A server that is sent ever new definitions must not remember all of them.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Turn:
    """The right to send one event."""

    give_back: Callable[[], None]
    """Call it when no event came of it, so that a failure does not start a cooldown."""


class Cooldown:
    """When each step last sent an event on each stream."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable, seconds: Any) -> Turn | None:
        """A turn, or None if the last one of this key is less than `seconds` ago.

        What is no positive number means no cooldown, as a negative one does in the stock block.
        """
        try:
            shortest = float(seconds)
        except (TypeError, ValueError):
            shortest = 0.0
        with self._lock:
            now = self._clock()
            before = self._last.get(key)
            if before is not None and now - before < shortest:
                return None
            self._last[key] = now
            self._last.move_to_end(key)
            if len(self._last) > _REMEMBERED:
                self._last.popitem(last=False)
        return Turn(lambda: self._give_back(key, now, before))

    def _give_back(self, key: Hashable, taken: float, before: float | None) -> None:
        with self._lock:
            if self._last.get(key) != taken:
                return
            if before is None:
                del self._last[key]
            else:
                self._last[key] = before


COOLDOWN = Cooldown()
