"""A checker of bundles, written from the documented format and from nothing of this package."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

REQUIRED = {"eventId", "eventType", "useCaseId", "timestamp", "bundleFormatVersion"}
OPTIONAL = {
    "deviceId", "streamId", "workflowId", "images", "displayImagePosition", "eventData", "customMetadata", "comment",
}  # fmt: skip
LISTS = {"objectDetections", "classifications", "instanceSegmentations", "keypoints"}
MAGIC = {b"\xff\xd8": "jpg", b"\x89P": "png"}


def check_bundle(path: Path) -> dict[str, Any]:
    """Asserts that a file is a bundle as `POST /vision-events/bundle` documents it; returns its payload."""
    assert path.name.startswith("event_")
    assert path.name.endswith(".tar.gz")
    assert path.stat().st_size <= 26_214_400
    files: dict[str, bytes] = {}
    with tarfile.open(path, "r:gz") as tar:
        for member in tar:
            assert member.isreg(), member.name
            assert not member.name.startswith(("/", "."))
            assert ".." not in member.name.split("/")
            file = tar.extractfile(member)
            assert file is not None
            files[member.name] = file.read()
    payload: dict[str, Any] = json.loads(files.pop("payload.json"), parse_constant=_no_such_number)
    assert set(payload) >= REQUIRED, REQUIRED - set(payload)
    assert set(payload) <= REQUIRED | OPTIONAL
    assert payload["bundleFormatVersion"] == 1
    named = set()
    for image in payload.get("images", []):
        assert set(image) <= {"file", "inputFile", "label"} | LISTS
        named |= {image[key] for key in ("file", "inputFile") if key in image}
        assert all(len(image.get(name, [])) <= 1000 for name in LISTS)
    assert named == set(files)
    for name, data in files.items():
        assert name.startswith("images/")
        assert name.endswith(MAGIC[data[:2]])
    return payload


def _no_such_number(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
