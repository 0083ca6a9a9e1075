"""Plays a power cut at any point of a journal of writes: what was not synced may be there, in part, or not."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct("=cHQQ")
_SECTOR = 512


@dataclass(frozen=True)
class Operation:
    """`W`rite, `T`runcate (to `offset`), `S`ync, `U`nlink, or `A`: the test was told something."""

    what: str
    name: str
    offset: int
    data: bytes


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Operation] = field(default_factory=list)
    is_unlinked: bool = False

    def apply(self, operation: Operation) -> None:
        if operation.what == "T":
            del self.durable[operation.offset :]
            self.durable.extend(bytes(operation.offset - len(self.durable)))
            return
        end = operation.offset + len(operation.data)
        self.durable.extend(bytes(max(end - len(self.durable), 0)))
        self.durable[operation.offset : end] = operation.data

    def sync(self) -> None:
        for operation in self.unsynced:
            self.apply(operation)
        self.unsynced.clear()

    def after_cut(self, chance: random.Random) -> bytes:
        """What a disk with a cache has of it: all that was synced, and any part of the rest in any order."""
        left = _File(bytearray(self.durable))
        share = chance.choice([0.0, 0.5, 1.0, chance.random()])
        kept = [operation for operation in self.unsynced if chance.random() < share]
        chance.shuffle(kept)
        for operation in kept:
            left.apply(_torn(operation, chance))
        return bytes(left.durable)


def read_journal(path: Path) -> list[Operation]:
    """Every operation, in order."""
    journal = path.read_bytes()
    operations, at = [], 0
    while at < len(journal):
        what, name_size, offset, size = _HEAD.unpack_from(journal, at)
        at += _HEAD.size
        name = journal[at : at + name_size].decode()
        at += name_size
        operations.append(Operation(what.decode(), name, offset, journal[at : at + size]))
        at += size
    return operations


def cuts(
    operations: list[Operation], points: list[int], folder: Path, chance: random.Random
) -> Iterator[tuple[str, Path]]:
    """For each point what had been told by then, and a folder with the files as a power cut there leaves them."""
    files: dict[str, _File] = {}
    told = ""
    wanted = sorted(points)
    for number, operation in enumerate(operations):
        while wanted and wanted[0] == number:
            wanted.pop(0)
            place = folder / f"cut-{number}-{len(wanted)}"
            place.mkdir()
            for name, file in files.items():
                # The index of the log is made anew from the log; what a mapping holds is never synced.
                is_folder = any(other.startswith(f"{name}/") for other in files)
                if (
                    not name.endswith("-shm")
                    and not is_folder
                    and not (file.is_unlinked and chance.random() < 0.5)
                ):
                    (place / name).parent.mkdir(exist_ok=True)
                    (place / name).write_bytes(file.after_cut(chance))
            yield told, place
        if operation.what == "A":
            told += operation.data.decode()
        elif operation.what == "U":
            files[operation.name].is_unlinked = True
        elif operation.what == "S":
            files.setdefault(operation.name, _File()).sync()
            # A file system with a journal commits what was done to names before, too.
            files = {name: file for name, file in files.items() if not file.is_unlinked}
        else:
            files.setdefault(operation.name, _File()).unsynced.append(operation)


def _torn(operation: Operation, chance: random.Random) -> Operation:
    """A write may end at any sector."""
    if operation.what != "W" or chance.random() < 0.5:
        return operation
    sectors = chance.randrange(len(operation.data) // _SECTOR + 1)
    return Operation("W", operation.name, operation.offset, operation.data[: sectors * _SECTOR])
