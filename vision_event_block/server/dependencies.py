"""What the routes of the service need."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from vision_event_block.recorder import Recorder
from vision_event_block.store.interface import EventStore


def _recorder(request: Request) -> Recorder:
    recorder: Recorder = request.app.state.recorder
    return recorder


def _store(request: Request) -> EventStore:
    return _recorder(request).store


TheRecorder = Annotated[Recorder, Depends(_recorder)]
TheStore = Annotated[EventStore, Depends(_store)]
