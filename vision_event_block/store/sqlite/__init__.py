"""The event store in one SQLite file."""

from vision_event_block.store.sqlite.store import SQLiteEventStore as SQLiteEventStore
