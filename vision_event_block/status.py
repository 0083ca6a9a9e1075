"""How the store and the backup of this device are, in one look."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import Literal

from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings
from vision_event_block.store.model import CLOUD, HERE, Circuit, Counts, Quota, Route

BackupState = Literal["on", "waiting", "off", "here"]


@dataclass(frozen=True)
class Waiting:
    """A destination that pending events wait for, why, and until when (Unix time; 0: until the next attempt)."""

    destination: str
    reason: str
    until: float


@dataclass(frozen=True)
class DeviceStatus:
    """What a person wants to know first.

    Attributes:
        backup: `on`; `waiting`: on, and some events cannot go now; `off`; `here`: events stay in this store.
        backup_message: The same in a sentence.
        is_switched_on: The switch of the store.
        disk_free: Bytes free on the disk of the store.
    """

    counts: Counts
    quota: Quota
    backup: BackupState
    backup_message: str
    is_switched_on: bool
    waiting: tuple[Waiting, ...]
    disk_free: int
    oldest_pending_seconds: float


def device_status(recorder: Recorder) -> DeviceStatus:
    """The status of a recorder's store.

    Raises:
        StoreError: If the store cannot be read.
    """
    store = recorder.store
    counts = store.counts()
    waiting = tuple(
        found
        for route, circuit in store.queue.routes().items()
        if (found := _waiting(recorder, route, circuit))
    )
    switch = store.backup_switch()
    state, message = _backup(recorder, counts, waiting, switch.is_on)
    oldest = 0.0 if counts.oldest_pending is None else max(time.time() - counts.oldest_pending, 0.0)
    return DeviceStatus(
        counts=counts,
        quota=store.quota,
        backup=state,
        backup_message=message,
        is_switched_on=switch.is_on,
        waiting=waiting,
        disk_free=shutil.disk_usage(store.path.parent).free,
        oldest_pending_seconds=oldest,
    )


def place_of(route: Route, settings: Settings) -> str:
    """The destination of a route, for people."""
    if route.destination != CLOUD:
        return route.destination
    return settings.cloud_url if settings.api_base_url else "the Roboflow cloud"


def _waiting(recorder: Recorder, route: Route, circuit: Circuit) -> Waiting | None:
    name = place_of(route, recorder.settings)
    if circuit.failures:
        return Waiting(name, circuit.reason, circuit.open_until if circuit.open_until > time.time() else 0.0)
    reason = recorder.waits_for(route)
    return Waiting(name, reason, 0.0) if reason else None


def _backup(
    recorder: Recorder, counts: Counts, waiting: tuple[Waiting, ...], is_switched_on: bool
) -> tuple[BackupState, str]:
    if not recorder.settings.backup:
        return "off", "Backup is off in this process (VISION_EVENTS_BACKUP)."
    if not is_switched_on:
        return "off", "Backup is switched off. Events are recorded and wait."
    if waiting:
        return "waiting", f"Waiting for {waiting[0].destination}: {waiting[0].reason}"
    if counts.pending:
        return "on", "Delivering."
    if recorder.settings.destination == HERE:
        return "here", "Events stay in this store."
    return "on", "All is delivered."
