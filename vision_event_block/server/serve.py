"""Runs the service."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import uvicorn

from vision_event_block.server.app import create_app
from vision_event_block.settings import Settings

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8001
# What may still be answered when the service is told to end.
_GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Tells when it really listens: the port may be taken, or the store unusable."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    settings: Settings | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serves until it is told to end; `on_ready` is called when it listens.

    Raises:
        ValueError: If it would listen to other machines and takes no key.
    """
    settings = settings or Settings()
    if not _is_loopback(host) and not settings.accepted_keys:
        raise ValueError(
            f"Listening on {host} would let every machine of the network read and write events. Set "
            "VISION_EVENTS_SERVER_KEYS to a key that clients then send, or listen on 127.0.0.1."
        )
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        # A key in a query, as it is documented for bundles, must not reach a log.
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config, on_ready).run()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
