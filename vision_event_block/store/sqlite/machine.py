"""A clock that nobody sets: seconds since the machine started, the same for all of its processes.

Leases and due times count by it. By the time of day, a clock that is set would end the lease of a worker
that is alive, and another would upload its images again.
"""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def ticks() -> float:
    """Seconds since the machine started, sleep included where the system can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def this_boot() -> str:
    """A name for this run of the machine; empty where the system gives none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
