"""A client that does not wait between attempts, and events to send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.link import Link
from tests.site import KEY
from vision_event_block.client import VisionEventsClient
from vision_event_block.client import client as client_module
from vision_event_block.event import VisionEvent
from vision_event_block.settings import Settings


@pytest.fixture
def make_client(cloud: Link, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., VisionEventsClient]]:
    monkeypatch.setattr(client_module, "backoff", lambda failures, asked: 0.0)
    made: list[VisionEventsClient] = []

    def make(**options: Any) -> VisionEventsClient:
        made.append(VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url), **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., VisionEventsClient]) -> VisionEventsClient:
    return make_client()


def an_event(**more: Any) -> VisionEvent:
    return VisionEvent(
        **{"event_type": "custom", "use_case_id": "uc", "timestamp": datetime.now(timezone.utc), **more}
    )
