"""The terminal sessions of the README are real: every command is run again, and answers as it is written there."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_readme import README

ROOT = Path(__file__).parents[2]
SESSIONS = README.partition("\n## The command line\n")[2].partition("\n## ")[0]
# What differs from one run and one machine to the next.
DIFFERENT = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"), (r"\b[0-9a-f]{8}\b", "SHORT"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"), (r"event_\w+_UUID", "event_TIME_UUID"), (r"\b\d+ (s|min)\b", "SPAN"),
    (r"[\d.]+ (B|KB|MB|GB|TB) free", "SIZE free"), (r"[\d.]+ KB of", "SIZE of"), (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\S+/demo/events\.db", "STORE"), (r"Python 3\.\d+\.\d+", "PYTHON"), (r"(ahead of|behind) theirs", "OFF"),
    (r"inference-cpu [\d.]+, execution engine [\d.]+", "ENGINE"), (r" +", " "), (r" +$", ""),
]  # fmt: skip


def _spoken() -> list[tuple[str, str]]:
    """Every command of the sessions, with what is written below it."""
    blocks = re.findall(r"```console\n(.*?)```", SESSIONS, re.DOTALL)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def _same(text: str) -> list[str]:
    for pattern, name in DIFFERENT:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line for line in text.strip().splitlines() if line]


class Shell:
    """Runs one command line after the other in one folder, as a person would."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        commands = folder / "bin"
        commands.mkdir()
        entry = commands / "vision-events"
        entry.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m vision_event_block "$@"\n')
        entry.chmod(0o755)
        self._folder = folder
        self._environment = {
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self._behind: list[subprocess.Popen[str]] = []

    def run(self, line: str) -> str:
        line = re.sub(r"(?<= )[0-9a-f]{8}$", lambda _: self._newest(), line).replace(
            ":8001", f":{self._port}"
        )
        if line.startswith("export "):
            self._environment |= dict(pair.split("=", 1) for pair in shlex.split(line)[1:])
            return ""
        if line.endswith(" &"):
            return self._start(line.removesuffix(" &") + f" --port {self._port}")
        done = self._process(line)
        out, err = done.communicate(timeout=120)
        assert done.returncode == 0, (line, out, err)
        return out + err

    def close(self) -> None:
        for process in self._behind:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)

    def _process(self, line: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            line, shell=True, cwd=self._folder, env=self._environment, stdout=pipe, stderr=pipe, text=True,
            start_new_session=True,
        )  # fmt: skip

    def _start(self, line: str) -> str:
        self._behind.append(self._process(line))
        assert self._behind[-1].stderr is not None
        return self._behind[-1].stderr.readline()

    def _newest(self) -> str:
        return re.findall(r"^[0-9a-f]{8}", self.run("vision-events list"), re.MULTILINE)[0]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("inference", "skimage")),
    reason="the engine or the photograph is not installed",
)
def test_every_command_of_the_sessions_answers_as_it_is_written(shell):
    """From the demo on, in their order; only what must differ may."""
    shell.run("vision-events demo")
    for line, written in _spoken():
        if line.startswith("pip "):
            continue
        assert _same(shell.run(line)) == _same(written), line


def test_the_sessions_show_each_main_command():
    """Whatever a person does every day."""
    commands = {
        re.sub(r"^(\w+=\S+ )*vision-events (--store \S+ )?", "", line).split()[0] for line, _ in _spoken()
    }
    assert {
        "status", "list", "show", "send", "sync", "retry", "export", "import", "use-cases", "doctor", "serve",
    } <= commands  # fmt: skip
