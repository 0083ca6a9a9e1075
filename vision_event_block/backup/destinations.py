"""The destination of each route, with the credential that it needs."""

from __future__ import annotations

from pathlib import Path

from vision_event_block.backup.bundles import BundleDestination
from vision_event_block.backup.cloud import CloudDestination
from vision_event_block.backup.destination import Destination
from vision_event_block.backup.event_store import EventStoreDestination
from vision_event_block.client import VisionEventsClient
from vision_event_block.keyring import Keyring
from vision_event_block.pool import Pool
from vision_event_block.settings import FILE_SCHEME, Settings
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import CLOUD, Route
from vision_event_block.transport import Credential, Transport


class Destinations:
    """Made when first used, kept with their connections until closed."""

    def __init__(self, store: EventStore, keyring: Keyring, settings: Settings) -> None:
        self._store = store
        self._keyring = keyring
        self._settings = settings
        self._pool = Pool(settings.uploads, "upload")
        self._made: dict[Route, Destination] = {}

    def can_reach(self, route: Route) -> bool:
        """Whether this process has the credential for a route. An Event Store may need none."""
        return route.destination != CLOUD or self._keyring.get(route.credential) is not None

    def of(self, route: Route) -> Destination:
        """The destination of a route that can be reached."""
        if route not in self._made:
            self._made[route] = self._make(route)
        return self._made[route]

    def close(self) -> None:
        """Closes all connections."""
        for destination in list(self._made.values()):
            destination.close()
        self._pool.close()

    def _make(self, route: Route) -> Destination:
        if route.destination == CLOUD:
            return self._cloud(route)
        if route.destination.startswith(FILE_SCHEME):
            return BundleDestination(Path(route.destination.removeprefix(FILE_SCHEME)), self._store)
        return self._event_store(route)

    def _cloud(self, route: Route) -> Destination:
        client = VisionEventsClient(
            authorization=self._keyring.get(route.credential), settings=self._settings, retries=0
        )
        return CloudDestination(client, self._store, route, self._pool)

    def _event_store(self, route: Route) -> Destination:
        key = self._settings.event_store_key
        credential = Credential(key.get_secret_value(), "X-API-Key") if key else None
        return EventStoreDestination(Transport(route.destination, credential), self._store, self._pool)
