"""Bundles: one event with its images as a tar archive.

Layout and limits are those that the stock block `roboflow_vision_events_bundle` writes and documents.
"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage
from vision_event_block.mending import shown
from vision_event_block.server.image_files import read_image
from vision_event_block.store.model import Role

MAX_BUNDLE = 26_214_400
# Images hardly compress, so an archive that unpacks to more is made to do harm.
_MAX_UNPACKED = 4 * MAX_BUNDLE
_MAX_MEMBERS = 1000
_PAYLOAD = "payload.json"
_FILE_KEYS: dict[str, Role] = {"file": "output", "inputFile": "input"}
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Bundle:
    """An event, and its image files by (position, role)."""

    event: VisionEvent
    files: Mapping[tuple[int, Role], EncodedImage]


def open_bundle(data: bytes, use_case_id: str | None) -> Bundle:
    """Reads a bundle; `use_case_id` overrides that of the payload.

    Raises:
        InvalidEvent: If it is no bundle, or something in it is wrong.
        pydantic.ValidationError: If its event is.
    """
    members = _members(_unpacked(data))
    if _PAYLOAD not in members:
        raise InvalidEvent(f"The bundle has no {_PAYLOAD}: it has {shown(sorted(members))}.")
    try:
        payload = json.loads(members[_PAYLOAD])
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"{_PAYLOAD} of the bundle is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise InvalidEvent(f"{_PAYLOAD} of the bundle is {shown(payload)}: it must be an object.")
    version = payload.pop("bundleFormatVersion", 1)
    if version != 1:
        raise InvalidEvent(f"bundleFormatVersion is {shown(version)}: this release reads version 1.")
    if use_case_id is not None:
        payload["useCaseId"] = use_case_id
    files = _take_files(payload, members)
    return Bundle(VisionEvent.model_validate(payload), files)


def _take_files(
    payload: dict[str, Any], members: Mapping[str, bytes]
) -> dict[tuple[int, Role], EncodedImage]:
    """The image files, whose names are taken out of the payload."""
    files: dict[tuple[int, Role], EncodedImage] = {}
    images = payload.get("images")
    for position, image in enumerate(images if isinstance(images, list) else []):
        for key, role in _FILE_KEYS.items():
            name = image.pop(key, None) if isinstance(image, dict) else None
            if name is None:
                continue
            if not isinstance(name, str) or name not in members:
                raise InvalidEvent(f"images[{position}].{key}: {shown(name)} is not in the bundle.")
            files[position, role] = read_image(members[name])
    return files


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    unzip = zlib.decompressobj(wbits=31)
    try:
        unpacked = unzip.decompress(data, _MAX_UNPACKED)
    except zlib.error as error:
        raise InvalidEvent(f"The bundle is no gzip file that can be read: {error}") from None
    if unzip.unconsumed_tail:
        raise InvalidEvent(f"The bundle unpacks to more than {_MAX_UNPACKED} bytes.")
    return unpacked


def _members(archive: bytes) -> dict[str, bytes]:
    """The files of the archive by name, in memory only: nothing is ever written where a name says."""
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                # A sparse file may claim any size.
                is_file = member.isreg() and not member.issparse()
                file = tar.extractfile(member) if is_file else None
                if file is not None:
                    members[member.name] = file.read()
                if len(members) > _MAX_MEMBERS:
                    raise InvalidEvent(f"The bundle has more than {_MAX_MEMBERS} files.")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InvalidEvent(f"The bundle is no tar archive that can be read: {error}") from None
    return members
