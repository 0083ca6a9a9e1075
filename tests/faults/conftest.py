"""What the fault tests share: processes to kill, quick retries, and the ledger of what each fault cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.service import Service
from tests.link import Link
from tests.site import KEY

_ROOT = Path(__file__).parents[2]
LONG = [pytest.mark.soak, pytest.mark.timeout(7200)]


def scales(soak: int) -> Any:
    """A test at its bounded size, and so many times larger in `make soak`."""
    return pytest.mark.parametrize("scale", [1, pytest.param(soak, marks=LONG)])


def environment(store: Path, cloud_url: str, **more: str) -> dict[str, str]:
    """That of a process which records into a store and delivers over a link."""
    return {
        **os.environ, "PYTHONPATH": str(_ROOT), "VISION_EVENTS_STORE": str(store),
        "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0", "API_BASE_URL": cloud_url, "ROBOFLOW_API_KEY": KEY, **more,
    }  # fmt: skip


class Process:
    """A process that runs the driver; `ids` are those that it told of before its end."""

    def __init__(
        self, store: Path, link: Link, stream: str, count: int, wait_for: str, module: str, **settings: str
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.faults.{module}", stream, str(count), wait_for], cwd=_ROOT,
            env=environment(store, link.url, **settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> list[str]:
        self.process.kill()
        return self.ids()

    def ids(self) -> list[str]:
        out, err = self.process.communicate(timeout=900)
        assert "NOT RECORDED" not in out, err
        # A line that the kill cut short was told to nobody.
        return [line[:-1] for line in out.splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture
def start(tmp_path: Path, cloud: Link) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(
        stream: str = "p",
        count: int = 10**6,
        wait_for: str = "storage",
        module: str = "driver",
        **settings: str,
    ) -> Process:
        started.append(Process(tmp_path / "events.db", cloud, stream, count, wait_for, module, **settings))
        return started[-1]

    yield start
    for process in started:
        process.process.kill()
        process.process.communicate()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    made.start()
    requests.post(
        f"{made.url}/vision-events/use-cases",
        json={"name": "uc"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=10,
    ).raise_for_status()
    yield made
    made.kill()
