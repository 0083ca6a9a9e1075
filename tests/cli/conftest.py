"""Commands as a person runs them, on a store of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.link import Link
from tests.site import KEY

ROOT = Path(__file__).parents[2]
# As the script that pip installs.
ENTRY = [sys.executable, "-c", "import sys; from vision_event_block.cli import main; sys.exit(main())"]


class Done(subprocess.CompletedProcess[str]):
    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Command = Callable[..., Done]


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def command(tmp_path: Path, store_path: Path) -> Command:
    """Runs a command; one that fails with a traceback is a fault of ours whatever the test is about."""

    def run(*arguments: object, answer: str = "", **environment: str) -> Done:
        done = subprocess.run(
            [*ENTRY, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=120, input=answer,
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "VISION_EVENTS_STORE": str(store_path),
                "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0", **environment,
            },
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.args, done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def online(cloud: Link) -> dict[str, str]:
    """What a shell has to know to reach the destination."""
    return {"API_BASE_URL": cloud.url, "ROBOFLOW_API_KEY": KEY}


@pytest.fixture
def recorded(make_recorder: Callable[..., Any], store_path: Path) -> Callable[..., list[str]]:
    """Records events that wait for the key of the device; returns their ids."""

    def record(count: int = 1, **more: Any) -> list[str]:
        recorder = make_recorder(store=str(store_path), backup=False)
        ids = [recorder.record(**{"use_case": "uc", **more}).event_id for _ in range(count)]
        recorder.close()
        return ids

    return record
