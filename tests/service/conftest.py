"""The service on loopback, and a client that does not help."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import a_frame
from tests.site import KEY, Site
from vision_event_block.images import encode_jpeg


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path, use_cases=("uc", "uc-2"))
    yield running
    running.close()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes services that end with the test, each with a folder of its own."""
    made: list[Site] = []

    def make(name: str = "another", **settings: Any) -> Site:
        (tmp_path / name).mkdir(exist_ok=True)
        made.append(Site(tmp_path / name, **settings))
        return made[-1]

    yield make
    for running in made:
        running.close()


class Api:
    """Requests to a service with its key."""

    def __init__(self, site: Site) -> None:
        self.url = site.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {KEY}"

    def __getattr__(self, method: str) -> Callable[..., requests.Response]:
        def send(path: str, **more: Any) -> requests.Response:
            return self.session.request(method.upper(), self.url + path, timeout=30, **more)

        return send

    def upload(self, file: bytes, **fields: str) -> requests.Response:
        return self.post("/vision-events/upload", files={"file": ("a.jpg", file, "image/jpeg")}, data=fields)


@pytest.fixture
def api(site: Site) -> Api:
    return Api(site)


def a_jpeg(seed: int = 0) -> bytes:
    return encode_jpeg(a_frame(seed), 85).data


def cloud_event(event_id: str = "e1", **more: Any) -> dict[str, Any]:
    """An event as the cloud's API takes it."""
    return {
        "eventId": event_id,
        "eventType": "custom",
        "useCaseId": "uc",
        "timestamp": datetime.now(timezone.utc).isoformat(),
        **more,
    }


def device_event(seed: int | None = 0, **more: Any) -> dict[str, Any]:
    """An event as a producer on the device sends it."""
    images = (
        [] if seed is None else [{"base64Image": base64.b64encode(a_jpeg(seed)).decode(), "label": "shelf"}]
    )
    return {
        "inference_timestamp": datetime.now(timezone.utc).isoformat(),
        "event_schema": "inventory_count",
        "event_data": {"itemCount": 14, "itemType": "crate"},
        "images": images,
        "solution": "uc",
        **more,
    }


BOX = {"class": "dent", "x": 30.0, "y": 25.0, "width": 20.0, "height": 10.0, "confidence": 0.8}
