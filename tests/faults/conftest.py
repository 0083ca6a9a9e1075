"""Processes that record, and a judge of what arrived."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.link import Link
from tests.site import KEY

_ROOT = Path(__file__).parents[2]


class Process:
    """A process that runs `record.py`; `ids` are those that it told of before its end."""

    def __init__(
        self, store: Path, cloud: Link, name: str, count: int, wait_for: str, **settings: str
    ) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "VISION_EVENTS_STORE": str(store),
            "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0",
            "API_BASE_URL": cloud.url,
            "ROBOFLOW_API_KEY": KEY,
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.record", name, str(count), wait_for],
            cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> list[str]:
        self.process.kill()
        return self.ids()

    def ids(self) -> list[str]:
        out, err = self.process.communicate(timeout=120)
        assert "NOT RECORDED" not in err, err
        # A line that the kill cut short was told to nobody.
        return [line[:-1] for line in out.splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture
def start(tmp_path: Path, cloud: Link) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(name: str = "p", count: int = 10**6, wait_for: str = "storage", **settings: str) -> Process:
        started.append(Process(tmp_path / "events.db", cloud, name, count, wait_for, **settings))
        return started[-1]

    yield start
    for process in started:
        process.process.kill()
        process.process.communicate()


def judge(cloud: Link, told: set[str]) -> None:
    """Every id that was told is there, once, with images that are there too; nothing else refers to nothing."""
    lost = told - cloud.ids
    assert not lost, f"{len(lost)} of {len(told)} lost"
    for event in cloud.events.values():
        for image in event["images"]:
            assert cloud.site.store.image(image["inputSourceId"]) is not None
