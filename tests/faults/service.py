"""`vision-events serve` in a process of its own, which can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import requests

from tests.conftest import wait_until
from tests.site import KEY

ROOT = Path(__file__).parents[2]


class Service:
    """One service on one port, with the store behind it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.store = folder / "site.db"
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "VISION_EVENTS_STORE": str(self.store),
            "VISION_EVENTS_DESTINATION": "here", "VISION_EVENTS_SERVER_KEYS": KEY,
        }  # fmt: skip
        command = [sys.executable, "-m", "vision_event_block", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 60, "the service starts")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=2).ok
        except requests.RequestException:
            return False
