"""Bundles in a folder, from which a person or a program carries them to where there is a network."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from vision_event_block.bundle import MAX_BUNDLE, Bundle, pack_bundle

_SUFFIXES = (".tar.gz", ".tgz", ".tar")
# What movers of files skip.
_UNFINISHED = ".tmp_"


def write_bundle(folder: Path, bundle: Bundle) -> Path:
    """Writes a bundle so that whoever looks sees all of it or nothing, and a power cut does not undo it.

    The same event has the same name: written again, it takes the place of the first.

    Raises:
        InvalidEvent: If it is larger than a destination takes.
        OSError: If the folder cannot be written.
    """
    content = pack_bundle(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / bundle.file_name
    unfinished = folder / f"{_UNFINISHED}{uuid4().hex}_{target.name}"
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(folder)
    return target


def find_bundles(places: Iterable[Path]) -> Iterator[Path]:
    """The bundles among these files and in these folders, in the order of their names.

    Raises:
        FileNotFoundError: If one of the places does not exist.
    """
    for place in places:
        if place.is_dir():
            names = (path for path in place.iterdir() if path.name.endswith(_SUFFIXES))
            yield from sorted(path for path in names if path.is_file() and not path.name.startswith("."))
        elif place.exists():
            yield place
        else:
            raise FileNotFoundError(f"{place} does not exist.")


def read_file(path: Path) -> bytes:
    """The bytes of a bundle file; of one that is too large only so many that this is seen.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(MAX_BUNDLE + 1)


def _sync(folder: Path) -> None:
    """A file is where its folder says; some file systems of USB sticks cannot sync a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
