"""A clock that jumps, in both directions, while events are recorded and delivered."""

from __future__ import annotations

import random

from tests.conftest import wait_until
from tests.faults.conftest import scales
from tests.faults.judge import judge
from tests.link import Fault


@scales(10)
def test_a_clock_that_jumps_loses_nothing_and_doubles_nothing(
    quick, start, cloud, make_recorder, ledger, scale
):
    """By up to 400 days, several times a second, over a network that fails now and then."""
    chance = random.Random(scale)
    cloud.fault = lambda request: Fault(status=503) if chance.random() < 0.2 else None
    processes = [
        start(f"s{index}", 60 * scale, module="jumping", VISION_EVENTS_EXIT_FLUSH_SECONDS="3")
        for index in range(2)
    ]
    told = {event_id for process in processes for event_id in process.ids()}
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0, 60 + 10 * scale)
    ledger(
        "clock jumps", "up to 400 days, both ways, 10 a second", judge(cloud.site.store, told, cloud.requests)
    )
    assert len(told) == 120 * scale
