"""How long to wait after a failure."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0


def backoff(
    failures: int, retry_after: float | None = None, rand: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after the n-th failure in a row: full jitter over 1, 2, 4 … 300 s.

    A Retry-After is a floor, and is itself limited: a wrong header must not park a device for a day.
    """
    ceiling = min(FIRST_DELAY * 2.0 ** min(max(failures - 1, 0), 16), LONGEST_DELAY)
    return max(rand() * ceiling, min(retry_after or 0.0, LONGEST_DELAY))
