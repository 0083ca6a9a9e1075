"""What all tests share: a clean environment, a cloud on loopback, recorders that end."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.faults.driver import hasten
from tests.faults.judge import Verdict
from tests.link import Link
from tests.site import KEY
from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings

_HOST_NAMES = (
    "ROBOFLOW_API_KEY", "API_KEY", "API_BASE_URL", "ROBOFLOW_API_EXTRA_HEADERS", "DEVICE_ID",
    "SECURE_GATEWAY", "LICENSE_SERVER", "EVENT_INGESTION_API_KEY", "ROBOFLOW_REGION", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ledger", help="file to note in what each fault cost, for docs/reliability.md")


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Callable[[str, str, Verdict], None]:
    """Asserts a verdict, and notes it in the file that `--ledger` names."""
    place = request.config.getoption("--ledger")

    def note(fault: str, done: str, verdict: Verdict) -> None:
        if place:
            row = {
                "fault": fault,
                "done": done,
                "test": request.node.nodeid.partition("[")[0],
                **asdict(verdict),
            }
            with Path(place).open("a") as file:
                file.write(json.dumps(row) + "\n")
        assert verdict.is_clean, verdict

    return note


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are short, so that minutes of an outage pass in seconds."""
    hasten(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's machine reaches a test."""
    import os

    for name in list(os.environ):
        if name.startswith("VISION_EVENTS_") or name in _HOST_NAMES:
            monkeypatch.delenv(name)


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    """The destination: the real service, over a network that can fail."""
    link = Link.to_new_site(tmp_path_factory.mktemp("site"))
    yield link
    link.close()


@pytest.fixture
def make_recorder(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Makes recorders that are closed at the end of the test."""
    made: list[Recorder] = []

    def make(cloud: Link | None = None, **settings: object) -> Recorder:
        settings.setdefault("store", str(tmp_path / "events.db"))
        settings.setdefault("exit_flush_seconds", 0)
        if cloud is not None:
            settings.setdefault("api_base_url", cloud.url)
            settings.setdefault("api_key", KEY)
        made.append(Recorder(Settings(**settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for recorder in made:
        recorder.close()


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes disks of their own, of a size such as `24m`."""
    made: list[Path] = []

    def make(size: str) -> Path:
        place = tmp_path / f"disk-{len(made)}"
        place.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("this machine lets us mount nothing")
        made.append(place)
        return place

    yield make
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def frame() -> np.ndarray:
    """A frame with something on it, in BGR."""
    return a_frame(0)


def a_frame(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """Frames of different seeds are different pictures."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :, 0] = np.linspace(0, 255, width, dtype=np.uint8)
    picture[10:40, 10:60] = np.random.default_rng(seed).integers(0, 255, (30, 50, 3), np.uint8)
    return picture


def wait_until(condition: Callable[[], object], timeout: float = 20.0, what: str = "") -> None:
    """Waits for something that another thread or process does."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        # Asking costs the others time, too.
        time.sleep(pause)
        pause = min(pause * 1.2, 0.3)


def moment(text: str) -> datetime:
    """The moment that a text in ISO 8601 names; Python 3.10 reads no `Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
