"""The vendor's SDK, unmodified, works against the service."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import a_jpeg
from tests.site import KEY, Site
from vision_event_block import VisionEvent, VisionEventsClient
from vision_event_block.bundle import Bundle
from vision_event_block.image_files import read_image

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("roboflow") is None, reason="the SDK is not installed"
)


def _sdk(site: Site, script: str, *arguments: str) -> Any:
    """What a script with the SDK in it printed."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", f"tests.service.{script}", KEY, *arguments],
        cwd=root, env={**os.environ, "API_URL": site.url, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_sdk_reads_what_our_client_wrote(site):
    """Every field of every event: one by one, in a batch, with images, as a bundle."""
    box = {"class": "dent", "x": 4.5, "y": 3.25, "width": 2.0, "height": 1.0, "confidence": 0.75}

    def event(number: int, **more: Any) -> VisionEvent:
        fields = {
            "event_id": f"ours-{number}", "event_type": "quality_check", "use_case_id": "uc",
            "timestamp": datetime.now(timezone.utc) - timedelta(minutes=number), "device_id": "press-4",
            "stream_id": "left", "workflow_id": "lids", "event_data": {"result": "fail", "externalId": "lot 7"},
            "custom_metadata": {"shift": "B", "torque": 4.5, "rework": False, "number": number},
        }  # fmt: skip
        return VisionEvent(**{**fields, **more})

    shown = event(0, images=[{"label": "lid", "objectDetections": [box]}], display_image_position=0)
    others = [event(number) for number in range(1, 6)]
    bundled = event(6, images=[{"label": "lid", "classifications": [{"class": "ok", "confidence": 0.5}]}])
    with VisionEventsClient(KEY, base_url=site.url) as client:
        client.send(a_jpeg(), shown)
        client.create_event(others[0])
        client.create_events(others[1:])
        client.upload_bundle(Bundle(bundled, {(0, "input"): read_image(a_jpeg(8))}))
    read = {found["eventId"]: found for found in _sdk(site, "sdk_read", "uc")}
    assert list(read) == [f"ours-{number}" for number in range(7)]
    for written in (shown, *others, bundled):
        found = read[written.event_id]
        sources = [image.pop("inputSourceId") for image in found.get("images", [])]
        assert found == written.to_wire()
        assert all(site.store.image(source) for source in sources)
        assert len(sources) == len(written.images)


def test_the_sdk_writes_and_reads_everything_that_it_knows(site, tmp_path):
    """Use cases, upload, events, batch, query over pages, schema, and an error in our words."""
    image = tmp_path / "a.jpg"
    image.write_bytes(a_jpeg())
    said = _sdk(site, "sdk", str(image))
    assert said["created_use_case"]["id"] == "lid-check"
    assert said["renamed"]["name"] == "Lids"
    assert said["archived"] == said["unarchived"] == {"success": True}
    assert [u["name"] for u in said["use_cases"]["useCases"]] == ["uc", "uc-2", "Lids"]
    assert site.store.image(said["uploaded"]["sourceId"]).data == a_jpeg()
    assert said["written"] == {"eventId": "sdk-0", "created": True}
    assert said["batch"] == {"created": 4, "eventIds": ["sdk-1", "sdk-2", "sdk-3", "sdk-4"]}
    assert [len(said["page"]["events"]), said["page"]["hasMore"]] == [2, True]
    assert sorted(said["all"]) == [f"sdk-{number}" for number in range(5)]
    assert said["schema"]["fields"] == {"number": {"types": ["number"]}}
    assert "'nope' does not exist" in said["error"]
