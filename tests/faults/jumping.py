"""The driver in a process whose clock jumps: a device without a battery for it, or one that NTP sets."""

from __future__ import annotations

import random
import sys
import time

_JUMPS = (0.0, -400 * 86_400.0, 400 * 86_400.0, 7200.0, -3600.0, -1.5)


def _a_jumping_clock() -> None:
    """Replaces the clock before anybody has taken hold of it."""
    true, chance = time.time, random.Random(0)
    offset, until = 0.0, 0.0

    def jumping() -> float:
        nonlocal offset, until
        if time.monotonic() > until:
            offset, until = chance.choice(_JUMPS), time.monotonic() + chance.uniform(0.02, 0.2)
        return true() + offset

    time.time = jumping


if __name__ == "__main__":
    _a_jumping_clock()
    from tests.faults.driver import main

    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
