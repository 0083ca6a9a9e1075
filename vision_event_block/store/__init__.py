"""The local event store: events, images and delivery state, durable and shared by processes."""

from vision_event_block.settings import Settings
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore


def open_store(settings: Settings) -> EventStore:
    """The store that the settings name. It is opened when first used.

    Raises:
        ValueError: If the settings name an engine that does not exist.
    """
    quota = Quota(settings.max_bytes, settings.max_records, settings.retention_days)
    return SQLiteEventStore(settings.store_path, quota)
