"""Bundles: one event with its images as a tar archive.

Layout and limits are those that the stock block `roboflow_vision_events_bundle` writes and documents.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from pathlib import PurePosixPath
from typing import Any

from vision_event_block.errors import InvalidEvent
from vision_event_block.event import VisionEvent
from vision_event_block.image_files import read_image
from vision_event_block.images import EncodedImage, extension_of
from vision_event_block.mending import shown
from vision_event_block.store.model import Role

MAX_BUNDLE = 26_214_400
# Images hardly compress, so an archive that unpacks to more is made to do harm.
_MAX_UNPACKED = 4 * MAX_BUNDLE
_MAX_MEMBERS = 1000
_PAYLOAD = "payload.json"
_FORMAT = 1
_FILE_KEYS: dict[Role, str] = {"output": "file", "input": "inputFile"}
_GZIP = b"\x1f\x8b"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Bundle:
    """An event, and its image files by (position, role)."""

    event: VisionEvent
    files: Mapping[tuple[int, Role], EncodedImage]

    @property
    def file_name(self) -> str:
        """The name that the stock block would give it: `event_<UTC time>_<event id>.tar.gz`."""
        moment = self.event.timestamp.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S_%f")
        name = self.event.event_id
        if not _SAFE_NAME.fullmatch(name):
            name = hashlib.sha256(name.encode()).hexdigest()[:32]
        return f"event_{moment}_{name}.tar.gz"


def pack_bundle(bundle: Bundle) -> bytes:
    """The bundle as an archive; the same bundle gives the same bytes.

    Raises:
        InvalidEvent: If it is larger than the destination takes.
    """
    payload = bundle.event.to_wire() | {"bundleFormatVersion": _FORMAT}
    members = {}
    for (position, role), image in bundle.files.items():
        name = f"images/{position}-{role}.{extension_of(image.content_type)}"
        payload["images"][position][_FILE_KEYS[role]] = name
        members[name] = image.data
    members = {_PAYLOAD: json.dumps(payload, allow_nan=False).encode(), **members}
    archive = io.BytesIO()
    # Images hardly compress, so no time is spent on it. Without a time of its own the file is reproducible.
    with (
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=archive, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), int(bundle.event.timestamp.timestamp())
            tar.addfile(info, io.BytesIO(data))
    packed = archive.getvalue()
    if len(packed) > MAX_BUNDLE:
        raise InvalidEvent(
            f"The bundle of event {bundle.event.event_id} has {len(packed)} bytes, at most {MAX_BUNDLE} are "
            "taken: record smaller images."
        )
    return packed


def open_bundle(data: bytes, use_case_id: str | None = None) -> Bundle:
    """Reads a bundle, gzipped or plain; `use_case_id` overrides that of the payload.

    A payload without an id gets one that is made of the bytes, so that the same file is the same event.

    Raises:
        InvalidEvent: If it is no bundle, or something in it is wrong.
        pydantic.ValidationError: If its event is.
    """
    if len(data) > MAX_BUNDLE:
        raise InvalidEvent(f"The bundle has {len(data)} bytes, at most {MAX_BUNDLE} are taken.")
    members = _members(_unpacked(data))
    if _PAYLOAD not in members:
        raise InvalidEvent(f"The bundle has no {_PAYLOAD}: it has {shown(sorted(members))}.")
    try:
        payload = json.loads(members[_PAYLOAD])
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"{_PAYLOAD} of the bundle is no JSON: {error}") from None
    if not isinstance(payload, dict):
        raise InvalidEvent(f"{_PAYLOAD} of the bundle is {shown(payload)}: it must be an object.")
    version = payload.pop("bundleFormatVersion", _FORMAT)
    if version != _FORMAT:
        raise InvalidEvent(f"bundleFormatVersion is {shown(version)}: this release reads version {_FORMAT}.")
    payload.setdefault("eventId", hashlib.sha256(data).hexdigest())
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
        for role, key in _FILE_KEYS.items():
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
            for number, member in enumerate(tar):
                if number >= _MAX_MEMBERS:
                    raise InvalidEvent(f"The bundle has more than {_MAX_MEMBERS} files.")
                name = _checked(member)
                file = None if member.isdir() else tar.extractfile(member)
                if file is not None:
                    members[name] = file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InvalidEvent(f"The bundle is no tar archive that can be read: {error}") from None
    return members


def _checked(member: tarfile.TarInfo) -> str:
    """The name of a plain file or folder inside the bundle; anything else was not made by a bundle writer."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise InvalidEvent(f"The bundle holds {shown(member.name)}, which lies outside of it.")
    # A sparse file may claim any size.
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise InvalidEvent(f"The bundle holds {shown(member.name)}, which is no plain file.")
    return str(path)
