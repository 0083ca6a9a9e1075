"""Vision Event: a Roboflow Workflows step whose events are on disk at once and delivered exactly once.

The Workflows engine loads this module when `WORKFLOWS_PLUGINS=vision_event_block` is set. Nothing
heavy is imported before it asks for the blocks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vision_event_block.client import VisionEventsClient as VisionEventsClient
    from vision_event_block.event import VisionEvent as VisionEvent
    from vision_event_block.receipt import Receipt as Receipt
    from vision_event_block.recorder import Recorder as Recorder
    from vision_event_block.settings import Settings as Settings

__all__ = ["Receipt", "Recorder", "Settings", "VisionEvent", "VisionEventsClient", "load_blocks"]


def _api_key() -> str | None:
    return os.getenv("ROBOFLOW_API_KEY") or os.getenv("API_KEY")


# Under this name the engine hands the step the API key of the run and its `disable_sinks`; a
# plugin's own name gets neither. The defaults below serve engines that do not know it. They also
# replace those of every core block, so they must be the same.
BLOCKS_SOURCE = "workflows_core"
REGISTERED_INITIALIZERS: dict[str, Any] = {"api_key": _api_key, "disable_sinks": False}

_HOMES = {
    "Receipt": "receipt",
    "Recorder": "recorder",
    "Settings": "settings",
    "VisionEvent": "event",
    "VisionEventsClient": "client",
}


def load_blocks() -> list[type[Any]]:
    """The blocks of this plugin, for the Workflows engine."""
    from vision_event_block.blocks import BLOCKS

    return list(BLOCKS)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
