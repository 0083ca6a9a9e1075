"""`vision-events demo`, which is the first thing that anybody runs."""

from __future__ import annotations

import importlib.util

import pytest


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("roboflow_workflows", "skimage")),
    reason="the engine or the photograph is not installed",
)
def test_the_demo_counts_the_coins_and_delivers_where_there_is_a_key(command, cloud, online, tmp_path):
    """With no key first, then with one: both events arrive, each once."""
    store = str(tmp_path / "demo" / "events.db")
    alone = command("demo", "--use-case", "uc", VISION_EVENTS_STORE="")
    assert alone.returncode == 0, alone.stderr
    assert str(tmp_path / "demo" / "events.db") in alone.stdout
    assert "The Workflow found 24 coins. Recorded on this device and not sent yet" in alone.stdout
    assert "Set ROBOFLOW_API_KEY and run it again" in alone.stdout
    assert len(list((tmp_path / "demo").glob("*.jpg"))) == 2
    done = command("demo", "--use-case", "uc", **online, VISION_EVENTS_STORE=store)
    assert "delivered" in done.stdout
    assert len(cloud.events) == 2
    assert {event["eventData"]["itemCount"] for event in cloud.events.values()} == {24}
