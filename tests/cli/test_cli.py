"""The command line, as a person runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import wait_until
from tests.service.conftest import device_event

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(tmp_path):
    """Runs a command on a store of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vision_event_block", *arguments], cwd=_ROOT, capture_output=True, text=True,
            timeout=60, env={**os.environ, "VISION_EVENTS_STORE": str(tmp_path / "events.db"), **environment},
        )  # fmt: skip

    return run


def test_the_network_is_not_let_in_without_a_key(command):
    """One sentence that says what to do, no traceback."""
    done = command("serve", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "VISION_EVENTS_SERVER_KEYS" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Event Store on" not in done.stderr


def test_a_taken_port_is_told_before_anything_is_announced(command):
    """With the reason of the system."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Event Store on" not in done.stderr


def test_backup_is_switched_and_its_state_told(command):
    """For every process on the store."""
    off = command("backup", "off")
    assert (off.returncode, off.stdout.splitlines()[0]) == (
        0,
        "Backup is switched off. Events are recorded and wait.",
    )
    assert command("backup", "status").stdout == off.stdout
    assert command("backup", "on").stdout.splitlines() == [
        "All is delivered.",
        "0 pending, 0 delivered, 0 rejected",
    ]


def test_a_store_that_cannot_be_opened_is_an_error_that_says_so(command, tmp_path):
    """With its place."""
    (tmp_path / "a file").write_text("")
    done = command("backup", "status", VISION_EVENTS_STORE=str(tmp_path / "a file" / "events.db"))
    assert done.returncode == 1
    assert "a file/events.db cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_an_error_that_names_it(command):
    """With its value."""
    done = command("backup", "status", VISION_EVENTS_DESTINATION="moon")
    assert done.returncode == 1
    assert "VISION_EVENTS_DESTINATION is none of cloud, here or a URL: 'moon'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_packages_it_says_what_to_install():
    """They are an extra."""
    code = "import sys; sys.modules['typer'] = None; from vision_event_block.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "The command line needs packages that are not installed: pip install 'vision-event-block[cli]'\n"
    )


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
