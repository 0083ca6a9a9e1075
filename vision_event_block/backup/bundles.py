"""Bundles in a folder as a destination, for networks with no route out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vision_event_block.backup.contents import bundle_of
from vision_event_block.backup.destination import Settle
from vision_event_block.backup.judgement import Judgement
from vision_event_block.backup.policy import Trouble
from vision_event_block.bundle_folder import write_bundle
from vision_event_block.errors import InvalidEvent, StoreError
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import Claimed


class BundleDestination:
    """Implements `Destination`: an event is delivered once its bundle is on disk under its name.

    What carries the bundles on is not our affair. A bundle that is written twice is the same file.
    """

    def __init__(self, folder: Path, store: EventStore) -> None:
        self._folder = folder
        self._store = store

    def deliver(self, events: Sequence[Claimed], settle: Settle) -> Trouble | None:
        judgement = Judgement(settle)
        for event in events:
            try:
                path = write_bundle(self._folder, bundle_of(self._store, event.body, event.images))
            except InvalidEvent as error:
                judgement.rejected(event, str(error))
            except StoreError as error:
                return Trouble(str(error))
            except OSError as error:
                return Trouble(f"no bundle can be written to {self._folder}: {error.strerror or error}")
            else:
                judgement.delivered([event], f"Written as {path.name}.")
        return None

    def close(self) -> None:
        """Nothing is kept open."""
