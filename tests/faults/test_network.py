"""Faults of the network and of the destination, between the backup and the real service, on both contracts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.conftest import wait_until
from tests.faults.conftest import scales
from tests.faults.driver import record_streams
from tests.faults.judge import judge
from tests.link import Fault, Link, Request
from tests.site import KEY
from vision_event_block.recorder import Recorder

SOON = {"Retry-After": "0.05"}
LATER = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
PORTAL = Fault(status=200, body="<html>Please log in</html>", headers={"Content-Type": "text/html"})

# What happens to three requests in ten.
FAULTS: dict[str, tuple[str, Fault]] = {
    "delay": ("each answer 50 ms late", Fault(delay=0.05)),
    "throttle": ("100 KB/s", Fault(throttle=100_000)),
    "connection closed": ("before the request was passed on", Fault(drop=True)),
    "reset": ("before the request was passed on", Fault(reset=True)),
    "answer lost": ("processed, then the connection was closed", Fault(drop=True, after=True)),
    "reset after processing": ("processed, then the connection was reset", Fault(reset=True, after=True)),
    "answer truncated": ("processed, then half of the answer", Fault(truncate=True)),
    "429": ("without Retry-After", Fault(status=429)),
    "429 with Retry-After": ("seconds", Fault(status=429, headers=SOON)),
    "500": ("a plain one", Fault(status=500)),
    "500 with Retry-After": ("seconds", Fault(status=500, headers=SOON)),
    "500 after processing": ("processed, and said to have failed", Fault(status=500, after=True)),
    "502": ("by a proxy, as HTML", Fault(status=502, body="<html>Bad Gateway</html>")),
    "502 with Retry-After": ("no number and no date", Fault(status=502, headers={"Retry-After": "soon"})),
    "503": ("without Retry-After", Fault(status=503)),
    "503 with Retry-After": ("a date that is past", Fault(status=503, headers=LATER)),
    "529": ("a device that is full", Fault(status=529, body='{"detail": "storage full"}')),
    "408": ("timed out at the server", Fault(status=408)),
    "401": ("the key is not accepted for a while", Fault(status=401)),
    "login page": ("200 with the page of a hotel network", PORTAL),
}


@pytest.fixture(params=["cloud", "Event Store"])
def recorder(request: pytest.FixtureRequest, cloud: Link, make_recorder: Callable[..., Recorder]) -> Recorder:
    """One that delivers over the link by either contract."""
    if request.param == "cloud":
        return make_recorder(cloud)
    return make_recorder(destination=cloud.url, event_store_key=KEY)


def _some(fault: Fault, share: float = 0.3) -> Callable[[Request], Fault | None]:
    chance = random.Random(0)
    return lambda request: fault if chance.random() < share else None


def _contract(recorder: Recorder) -> str:
    return "cloud" if recorder.settings.destination == "cloud" else "Event Store"


def _settled(recorder: Recorder) -> bool:
    return recorder.store.counts().pending == 0


@scales(22)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_network_costs_nothing(quick, recorder, cloud, ledger, fault, scale):
    """Recorded by several threads while three requests in ten fail, then delivered."""
    done, what = FAULTS[fault]
    cloud.fault = _some(what)
    told = record_streams(recorder, streams=2, frames=10 * scale)
    assert len(told) == 20 * scale
    wait_until(lambda: _settled(recorder), 30 + 10 * scale, "all is delivered, faults or not")
    ledger(f"{fault} ({_contract(recorder)})", done, judge(cloud.site.store, told, cloud.requests))
    assert recorder.store.counts().rejected == 0


@scales(15)
def test_a_destination_that_vanishes_and_comes_back_costs_nothing(quick, recorder, cloud, ledger, scale):
    """Again and again, with requests under way."""
    told: list[str] = []
    for turn in range(3 * scale):
        seen = len(cloud.requests)
        told += record_streams(recorder, streams=2, frames=5, first=10 * turn)
        wait_until(lambda seen=seen: len(cloud.requests) > seen, 30, "it begins to deliver")
        cloud.stop()
        told += record_streams(recorder, streams=2, frames=5, first=10 * turn + 5)
        cloud.start()
    wait_until(lambda: _settled(recorder), 60)
    done = "stopped with requests under way, started again"
    ledger(
        f"destination vanishes ({_contract(recorder)})", done, judge(cloud.site.store, told, cloud.requests)
    )


@scales(6)
def test_everything_at_once_costs_nothing(quick, recorder, cloud, ledger, scale):
    """Any fault may meet any request, half of the time."""
    chance = random.Random(1)
    faults = [what for _, what in FAULTS.values() if what.status != 401]
    cloud.fault = lambda request: chance.choice(faults) if chance.random() < 0.5 else None
    told = record_streams(recorder, streams=3, frames=20 * scale, images=2)
    wait_until(lambda: _settled(recorder), 60 + 20 * scale)
    done = "each request meets any of the above, half of the time"
    ledger(f"all of them ({_contract(recorder)})", done, judge(cloud.site.store, told, cloud.requests))
