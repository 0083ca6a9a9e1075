"""The checks of `vision-events doctor`, each with what to do when it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import requests

from vision_event_block.cli import destination
from vision_event_block.client import VisionEventsClient
from vision_event_block.errors import (
    AuthenticationError,
    DeliveryError,
    PayloadRejected,
    StoreError,
    VisionEventError,
)
from vision_event_block.recorder import Recorder
from vision_event_block.settings import FILE_SCHEME, Settings
from vision_event_block.status import device_status
from vision_event_block.store.model import CLOUD, HERE
from vision_event_block.wording import duration, number_of, size

Level = Literal["ok", "warning", "problem"]

_PLUGIN = "vision_event_block"
_HOSTS = ("inference", "inference-cpu", "inference-gpu", "inference-core")
_ASK_ENGINE = """
import json, warnings
warnings.filterwarnings("ignore")
from vision_event_block.blocks.engine import engine_module
loader = engine_module("execution_engine.introspection.blocks_loader")
names = [block.manifest_type_identifier for block in loader.describe_available_blocks(dynamic_blocks=[]).blocks]
version = str(engine_module("execution_engine.v1.core").EXECUTION_ENGINE_V1_VERSION)
print(json.dumps([version, [name for name in names if name.startswith("vision_event_block/")]]))
"""
_ENGINE_SECONDS = 120
_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p")
_TIMEOUT = 10
_NEARLY_FULL = 0.9
_LITTLE_ROOM = 100 * 1024 * 1024
_LATE = 3600.0
_CLOCK_WARNS, _CLOCK_FAILS = 60.0, 86_400.0


@dataclass(frozen=True)
class Finding:
    """What a check found; `advice` says what to do where it is not ok."""

    level: Level
    check: str
    message: str
    advice: str = ""


def all_of(settings: Settings, quick: bool = False) -> Iterator[Finding]:
    """All findings, as they are made; quickly, without loading the engine and reading the whole store."""
    yield _version()
    if not quick:
        yield from _plugin()
    yield from _store(settings, quick)
    if settings.destination == CLOUD:
        yield from _reach(settings.through_gateway(settings.cloud_url), "The Roboflow API")
        yield from _cloud_key(settings)
    elif settings.destination.startswith(FILE_SCHEME):
        yield _folder(Path(settings.destination.removeprefix(FILE_SCHEME)))
    elif settings.destination == HERE:
        yield Finding("ok", "destination", "Events stay in this event store.")
    else:
        yield from _reach(f"{settings.destination}/health", "The Event Store")
        yield from _event_store_key(settings)


def _version() -> Finding:
    mine = version("vision-event-block")
    return Finding("ok", "version", f"vision-event-block {mine}, Python {sys.version.split()[0]}")


def _plugin() -> Iterator[Finding]:
    host = next((f"{name} {found}" for name in _HOSTS if (found := _installed(name))), None)
    if host is None:
        yield Finding(
            "warning", "plugin", "No inference is installed in this Python.",
            "Fine where no Workflow runs here. Else install this package beside inference.",
        )  # fmt: skip
        return
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", _ASK_ENGINE], capture_output=True, text=True, timeout=_ENGINE_SECONDS,
            env={**os.environ, "WORKFLOWS_PLUGINS": _PLUGIN},
        )  # fmt: skip
        engine, names = json.loads(done.stdout.splitlines()[-1])
        if not names:
            raise ValueError("it does not list the step")
        yield Finding("ok", "plugin", f"{host}, execution engine {engine}, loads {', '.join(names)}.")
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        last = (done.stderr.strip().splitlines() or [str(error)])[-1] if "done" in locals() else str(error)
        yield Finding(
            "problem", "plugin", f"{host} cannot load the step: {last}",
            "Supported is inference 1.6.1 and later. `pip check` tells of packages that do not fit together.",
        )  # fmt: skip
    if _PLUGIN not in os.environ.get("WORKFLOWS_PLUGINS", "").split(","):
        yield Finding(
            "warning", "WORKFLOWS_PLUGINS", "It does not name the plugin in this shell.",
            f"Where the server or pipeline is started: export WORKFLOWS_PLUGINS={_PLUGIN}",
        )  # fmt: skip


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _store(settings: Settings, quick: bool) -> Iterator[Finding]:
    path = settings.store_path
    remote = _file_system(path)
    if remote in _REMOTE:
        yield Finding("problem", "disk", f"{path} is on a network file system ({remote}).",
                      "Give a local disk: VISION_EVENTS_STORE=/var/lib/vision-events/events.db")  # fmt: skip
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            yield Finding("problem", "event store", f"{path.parent} cannot be written: {error.strerror}",
                          "Give this user the right to write there, or set VISION_EVENTS_STORE.")  # fmt: skip
            return
        yield Finding("ok", "event store", f"{path} is not there yet; the first event makes it.")
        return
    recorder = Recorder(settings)
    try:
        recorder.store.queue.hurry([])
        wrong = [] if quick else recorder.store.catalog.check()
        found = device_status(recorder)
    except StoreError as error:
        yield Finding(
            "problem",
            "event store",
            str(error),
            "See that its disk is well and that this user may write there.",
        )
        return
    finally:
        recorder.close()
    counts = found.counts
    if wrong:
        yield Finding("problem", "event store", f"{path} is damaged: {wrong[0]}",
                      "Export what can be read (`vision-events export FOLDER`), then move the file aside.")  # fmt: skip
    else:
        yield Finding(
            "ok",
            "event store",
            f"{path} can be {'written' if quick else 'written and is sound'}: {number_of(counts.kept, 'event')}.",
        )
    yield _room(counts.bytes, found.quota.bytes, found.disk_free)
    if counts.rejected:
        yield Finding("warning", "rejected", f"{number_of(counts.rejected, 'event')} rejected.",
                      "`vision-events list --state rejected`; when the cause is gone: `vision-events retry --all`")  # fmt: skip
    if found.oldest_pending_seconds > _LATE:
        yield Finding("warning", "pending", f"{counts.pending} pending, the oldest for {duration(found.oldest_pending_seconds)}. "
                      f"{found.backup_message}", "`vision-events sync` tries now.")  # fmt: skip


def _room(used: int, quota: int, free: int) -> Finding:
    message = f"{size(used)} of {size(quota)} used, {size(free)} free on the disk."
    if free < _LITTLE_ROOM:
        return Finding("problem", "room", message, "Free space on the disk.")
    if used > quota * _NEARLY_FULL:
        return Finding("warning", "room", message,
                       "Let the backup deliver what is pending, or raise VISION_EVENTS_MAX_BYTES.")  # fmt: skip
    return Finding("ok", "room", message)


def _file_system(path: Path) -> str:
    """The type of the file system that the path is on, as the kernel calls it; empty if nobody knows."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    on = [(place, kind) for place, kind in mounts if path.is_relative_to(place)]
    return max(on, key=lambda mount: len(mount[0]), default=("", ""))[1]


def _folder(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return Finding("problem", "destination", f"{folder} cannot be written: {error.strerror}",
                       "Give this user the right to write there, or set VISION_EVENTS_DESTINATION.")  # fmt: skip
    return Finding(
        "ok", "destination", f"{folder} takes bundles, {size(shutil.disk_usage(folder).free)} free."
    )


def _reach(url: str, what: str) -> Iterator[Finding]:
    """Whether anything answers there, and what it holds for the time."""
    base = url.partition("?")[0]
    try:
        answer = requests.get(url, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        reason = str(getattr(error, "args", [error])[0])
        yield Finding("problem", "destination", f"{what} gives no answer at {base}: {reason}",
                      "Check the network, HTTPS_PROXY and the address. Events are kept until it answers.")  # fmt: skip
        return
    yield Finding("ok", "destination", f"{what} answers at {base}.")
    if "Date" in answer.headers:
        yield _clock(parsedate_to_datetime(answer.headers["Date"]).timestamp())


def _clock(theirs: float) -> Finding:
    off = time.time() - theirs
    message = (
        f"The clock of this device is {duration(abs(off))} {'ahead of' if off > 0 else 'behind'} theirs."
    )
    if abs(off) < _CLOCK_WARNS:
        return Finding("ok", "clock", message)
    level: Level = "problem" if abs(off) > _CLOCK_FAILS else "warning"
    return Finding(level, "clock", message, "Have the system keep its time: timedatectl set-ntp true")


def _cloud_key(settings: Settings) -> Iterator[Finding]:
    if not settings.authorization:
        yield Finding("warning", "key", "There is no API key in this shell.",
                      "Events wait for one: set ROBOFLOW_API_KEY, or pass api_key with the Workflow run.")  # fmt: skip
        return
    with VisionEventsClient(settings=settings, retries=0) as client:
        yield from _scopes(client, "ROBOFLOW_API_KEY")


def _event_store_key(settings: Settings) -> Iterator[Finding]:
    with destination.client(settings) as client:
        yield from _scopes(client, "EVENT_INGESTION_API_KEY")


def _scopes(client: VisionEventsClient, variable: str) -> Iterator[Finding]:
    try:
        client.create_batch([])
    except PayloadRejected:
        pass  # what is wrong with an empty batch is told only to those who may write one
    except AuthenticationError as error:
        yield Finding(
            "problem", "key", str(error), f"Set {variable} to a key with the scope vision-events:write."
        )
        return
    except DeliveryError as error:
        yield Finding("warning", "key", f"It could not be tried: {error}", "Try again later.")
        return
    try:
        client.list_use_cases()
    except VisionEventError as error:
        yield Finding("warning", "key", f"It is accepted and may write, not read: {error}",
                      "Delivering needs no more. `use-cases` and queries need the scope vision-events:read.")  # fmt: skip
        return
    yield Finding("ok", "key", "It is accepted, and may write and read.")
