"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry, generate_latest

from vision_event_block import metrics
from vision_event_block.recorder import Recorder
from vision_event_block.server import cloud_api, device_api, pages
from vision_event_block.server.access import Guard, Keys
from vision_event_block.server.dependencies import TheStore
from vision_event_block.server.limits import BodyLimit
from vision_event_block.server.problems import add_handlers
from vision_event_block.settings import Settings

_DESCRIPTION = "Vision Events on this device: recorded durably, shown on a page, and backed up when the network is there."


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service on the store that the settings name; they are read from the environment if absent."""
    recorder = Recorder(settings)
    keys = Keys(recorder.settings.accepted_keys)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # What an earlier process left is delivered, and what is too old goes, before anything comes in.
        await run_in_threadpool(recorder.resume)
        yield
        await run_in_threadpool(recorder.close)

    # Its documentation page brings its scripts along: a device may have no way out to a CDN.
    app: FastAPI = FastAPIOffline(
        title="Event Store",
        version=version("vision-event-block"),
        description=_DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.recorder = recorder
    app.state.keys = keys
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    for router in (cloud_api.router, device_api.router, pages.router):
        app.include_router(router)
    app.get("/metrics", tags=["Event Store API"], response_class=PlainTextResponse)(_metrics)
    add_handlers(app)
    pages.add_handlers(app)
    app.add_middleware(BodyLimit, limit=recorder.settings.max_request_bytes)
    app.add_middleware(Guard, keys=keys)
    return app


def _metrics(store: TheStore) -> PlainTextResponse:
    """Prometheus metrics of the store."""
    registry = CollectorRegistry()
    metrics.register(lambda: store, registry)
    return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")
