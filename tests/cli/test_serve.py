"""`vision-events serve`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import requests

from tests.conftest import wait_until
from tests.service.conftest import device_event

_ROOT = Path(__file__).parents[2]


def test_the_network_is_not_let_in_without_a_key(command):
    """One sentence that says what to do, no traceback."""
    done = command("serve", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "VISION_EVENTS_SERVER_KEYS" in done.stderr
    assert "Event Store on" not in done.stderr


def test_a_taken_port_is_told_before_anything_is_announced(command):
    """With the reason of the system."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Event Store on" not in done.stderr


def test_a_service_that_is_ended_keeps_what_it_took(tmp_path):
    """SIGTERM, as a container or systemd sends it; the next one has the events."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "VISION_EVENTS_STORE": str(tmp_path / "events.db"),
        "VISION_EVENTS_DESTINATION": "here",
    }
    url = f"http://127.0.0.1:{port}"
    for turn in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "vision_event_block", "serve", "--port", str(port)],
            cwd=_ROOT,
            env=environment,
        )
        wait_until(lambda: _answers(url))
        for number in range(3):
            sent = requests.post(f"{url}/v2/events", json=device_event(10 * turn + number), timeout=10)
            assert sent.status_code == 201
        process.send_signal(signal.SIGTERM if turn else signal.SIGKILL)
        process.wait(20)
        assert process.returncode in ((0, -signal.SIGTERM) if turn else (-signal.SIGKILL,))
    from vision_event_block.store.model import Quota
    from vision_event_block.store.sqlite import SQLiteEventStore

    store = SQLiteEventStore(tmp_path / "events.db", Quota(10**9))
    assert store.counts().recorded == 6
    store.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=2).ok
    except requests.RequestException:
        return False
