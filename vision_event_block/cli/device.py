"""The event store and the recorder that a command works with."""

from __future__ import annotations

from vision_event_block.cli.terminal import fail
from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings
from vision_event_block.store.listing import Listed


def recorder() -> Recorder:
    """The recorder of this device; its store must be there, so that a wrong path makes no empty one."""
    settings = Settings()
    if not settings.store_path.exists():
        fail(
            f"There is no event store at {settings.store_path}: nothing was recorded there yet, or "
            "VISION_EVENTS_STORE (--store) should name another place."
        )
    return Recorder(settings)


def event_named(made: Recorder, name: str) -> Listed:
    """The event with this id, or the only one whose id begins so."""
    catalog = made.store.catalog
    ids = [name] if catalog.event(name) else catalog.ids_starting_with(name, limit=6) if name else []
    if len(ids) > 1:
        fail(
            f"{name!r} may be {', '.join(ids[:5])}{' or others' if len(ids) > 5 else ''}: give more of the id."
        )
    event = catalog.event(ids[0]) if ids else None
    if event is None:
        fail(f"There is no event {name!r} in {made.settings.store_path}.")
    return event
