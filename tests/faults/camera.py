"""Cameras: threads that record 1280x720 frames at 30 a second into one store, and watch what it costs them."""

from __future__ import annotations

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


def film(recorder: Recorder, name: str, seconds: float, report: list[dict[str, object]]) -> None:
    """One camera. Each frame is a scene with its number on it."""
    scenes = [a_scene(seed) for seed in range(4)]
    start = time.monotonic()
    for number in range(round(seconds * RATE)):
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


def main(streams: int, seconds: float) -> None:
    """Prints a report of every frame as JSON, then delivers until the standard input ends."""
    hasten()
    recorder = Recorder()
    recorder.resume()
    report: list[dict[str, object]] = []
    print("ready", flush=True)
    cameras = [
        threading.Thread(target=film, args=(recorder, f"camera{index}", seconds, report))
        for index in range(streams)
    ]
    for camera in cameras:
        camera.start()
    for camera in cameras:
        camera.join()
    print(json.dumps(report), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
