"""Cameras: threads that record 1280x720 frames at 30 a second into one store, and watch what it costs them."""

from __future__ import annotations

import itertools
import json
import resource
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from tests.faults.driver import hasten
from vision_event_block.recorder import Recorder

RATE = 30.0


def a_scene(seed: int) -> np.ndarray:
    """A frame of 1280x720 with soft shapes on it, as a camera sees a floor: about 60 KB as JPEG."""
    coarse = np.random.default_rng(seed).integers(40, 200, (24, 40, 3), np.uint8)
    return cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)


def memory() -> int:
    """Resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def film(recorder: Recorder, name: str, end: threading.Event, report: list[dict[str, object]]) -> None:
    """One camera. Each frame is a scene with its number on it."""
    scenes = [a_scene(seed) for seed in range(4)]
    start = time.monotonic()
    for number in itertools.count():
        if end.is_set():
            return
        time.sleep(max(start + number / RATE - time.monotonic(), 0.0))
        frame = scenes[number % 4].copy()
        cv2.putText(frame, f"{name} {number}", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 3)
        before = time.monotonic()
        receipt = recorder.record(
            use_case="uc",
            image=frame,
            stream_id=name,
            metadata={"stream": name, "number": number, "images": 1},
        )
        took = time.monotonic() - before
        report.append({"id": receipt.event_id, "at": before - start, "took": took, "memory": memory()})


def main(streams: int) -> None:
    """Films until it gets a line, prints a report of every frame as JSON, delivers until its input ends."""
    hasten()
    recorder = Recorder()
    recorder.resume()
    report: list[dict[str, object]] = []
    print("ready", flush=True)
    end = threading.Event()
    cameras = [
        threading.Thread(target=film, args=(recorder, f"camera{index}", end, report))
        for index in range(streams)
    ]
    for camera in cameras:
        camera.start()
    sys.stdin.readline()
    end.set()
    for camera in cameras:
        camera.join()
    print(json.dumps(report), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
