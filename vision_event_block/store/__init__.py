"""The local event store: events, images and delivery state, durable and shared by processes."""

from vision_event_block.settings import Settings
from vision_event_block.store.model import EventStore
from vision_event_block.store.sqlite import SQLiteEventStore


def open_store(settings: Settings) -> EventStore:
    """The store that the settings name. It is opened when first used.

    Raises:
        ValueError: If the settings name an engine that does not exist.
    """
    return SQLiteEventStore(settings.store_path, settings.max_bytes, settings.retention_days)
