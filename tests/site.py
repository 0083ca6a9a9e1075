"""The real service on loopback, in a thread: the destination of the tests, with a store of its own."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from vision_event_block.recorder import Recorder
from vision_event_block.server.app import create_app
from vision_event_block.settings import Settings
from vision_event_block.store.interface import EventStore

KEY = "rf_key_of_the_plant_0123456789"
OTHER_KEY = "rf_key_of_the_office_0123456789"


class Site:
    """A service that keeps its events, as the cloud does, unless the settings say otherwise."""

    def __init__(self, folder: Path, port: int = 0, use_cases: tuple[str, ...] = (), **settings: Any) -> None:
        settings = {
            "store": str(folder / "site.db"),
            "destination": "here",
            "server_keys": f"{KEY},{OTHER_KEY}",
            "exit_flush_seconds": 0,
            **settings,
        }
        self.settings = Settings(**settings)
        app = create_app(self.settings)
        self.recorder: Recorder = app.state.recorder
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="error", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the service did not start")
            time.sleep(0.005)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        for name in use_cases:
            self.store.use_cases.add(name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> EventStore:
        return self.recorder.store

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """Every event by id, as the REST API writes it."""
        return {event.id: event.to_wire() for event in self.store.catalog.events(limit=100_000)}

    def body_of(self, event_id: str) -> dict[str, Any]:
        event = self.store.catalog.event(event_id)
        assert event is not None
        return json.loads(event.body)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
