"""The driver: records frames of several streams, from threads of this process or of others."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vision_event_block import backoff
from vision_event_block.backup import policy, worker
from vision_event_block.recorder import Recorder
from vision_event_block.store.sqlite import segments


def a_picture(stream: str, number: int, size: int = 24) -> np.ndarray:
    """A small picture that no other frame has."""
    seed = [number, *stream.encode()]
    return np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)


def record_frame(
    recorder: Recorder, stream: str, number: int, images: int = 1, wait_for: str = "storage"
) -> str:
    """Records one frame; returns its id, or nothing if it was refused."""
    pictures = [a_picture(f"{stream}/{index}", number) for index in range(images)]
    receipt = recorder.record(
        use_case="uc", stream_id=stream, metadata={"stream": stream, "number": number, "images": images},
        image=pictures[0] if images else None, output_image=pictures[1] if images > 1 else None, wait_for=wait_for,
    )  # fmt: skip
    return receipt.event_id


def record_streams(
    recorder: Recorder, streams: int, frames: int, images: int = 1, first: int = 0
) -> list[str]:
    """One thread a stream; returns every id that was returned."""
    told: list[str] = []

    def work(stream: str) -> None:
        told.extend(record_frame(recorder, stream, number, images) for number in range(first, first + frames))

    threads = [threading.Thread(target=work, args=(f"s{index}",)) for index in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [event_id for event_id in told if event_id]


def hasten(set_value: Callable[[Any, str, float], None] = setattr) -> None:
    """Shortens every wait between two attempts, so that minutes of a real outage pass in seconds."""
    set_value(backoff, "FIRST_DELAY", 0.01)
    set_value(backoff, "LONGEST_DELAY", 0.3)
    set_value(policy, "AUTHENTICATION_PROBE", 0.2)
    set_value(worker, "LEASE", 1.5)


@contextlib.contextmanager
def small_segments(size: int = 10_000) -> Iterator[None]:
    """Stores that are opened now write every image beside the database, and a few fill a segment."""
    usual = segments._LARGE, segments._TOGETHER, segments._SEGMENT_BYTES
    segments._LARGE, segments._TOGETHER, segments._SEGMENT_BYTES = 1, 1, size
    try:
        yield
    finally:
        segments._LARGE, segments._TOGETHER, segments._SEGMENT_BYTES = usual


def main(stream: str, count: int, wait_for: str) -> None:
    """Tells each id on the standard output once it was returned, until it is killed."""
    hasten()
    recorder = Recorder()
    recorder.resume()
    print("ready", flush=True)
    for number in range(count):
        event_id = record_frame(recorder, stream, number, wait_for=wait_for)
        print(event_id or "NOT RECORDED", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
