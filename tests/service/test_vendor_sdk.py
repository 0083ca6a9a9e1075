"""The vendor's SDK, unmodified, works against the service."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.conftest import a_jpeg
from tests.site import KEY


@pytest.mark.skipif(importlib.util.find_spec("roboflow") is None, reason="the SDK is not installed")
def test_the_sdk_writes_and_reads_everything_that_it_knows(site, tmp_path):
    """Use cases, upload, events, batch, query over pages, schema, and an error in our words."""
    image = tmp_path / "a.jpg"
    image.write_bytes(a_jpeg())
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.sdk", KEY, str(image)],
        cwd=root, env={**os.environ, "API_URL": site.url, "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
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
