"""The scripts in `examples`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]


def _a_video(path: Path) -> Path:
    """Three seconds in which a white square crosses a dark floor."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (320, 240))
    for number in range(60):
        picture = np.full((240, 320, 3), 40, np.uint8)
        cv2.rectangle(picture, (number * 4, 100), (number * 4 + 40, 140), (255, 255, 255), -1)
        writer.write(picture)
    writer.release()
    return path


def test_a_video_is_recorded_without_a_network_and_delivered_later(tmp_path, make_recorder, cloud):
    """With a box around what moves, once a second."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "VISION_EVENTS_STORE": str(tmp_path / "events.db")}
    done = subprocess.run(
        [sys.executable, ROOT / "examples/record_video.py", _a_video(tmp_path / "belt.mp4"), "--use-case", "uc"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    first, second, third = (float(line[0]) for line in lines)
    assert (second - first, third - second) == (1.0, 1.0)
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: cloud.ids == {line[2] for line in lines})
    for second, _, event_id, *_ in lines:
        event = cloud.events[event_id]
        (box,) = event["images"][0]["objectDetections"]
        assert box["class"] == "moving"
        assert abs(box["x"] - (float(second) * 80 + 20)) < 30
        assert event["customMetadata"]["second"] == float(second)
        assert event["images"][0]["inputSourceId"] in cloud.images


def test_a_video_that_is_none_is_one_sentence(tmp_path):
    """Not a traceback."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples/record_video.py", "gone.mp4"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "gone.mp4 cannot be opened as a video." in done.stderr
    assert "Traceback" not in done.stderr
