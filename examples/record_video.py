"""Vision Events from a video without a Workflow: whatever moves is recorded, with its box.

    python examples/record_video.py 0                   # a camera
    python examples/record_video.py gate.mp4 --use-case gate

Needs no model: OpenCV tells what differs from the background.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import cv2
import numpy as np
import supervision as sv

from vision_event_block import Recorder

SMALLEST = 400  # pixels; less is noise
COOLDOWN = 1.0  # seconds of video between two events


def main() -> None:
    """Reads the video to its end and records what moves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a file, a URL, or the number of a camera")
    parser.add_argument("--use-case", default="motion", help="id of the use case of the events")
    arguments = parser.parse_args()

    # Leaving the block waits for the disk, and a few seconds for the network; what is not
    # delivered by then is delivered by the next process on this event store.
    with Recorder() as recorder:
        for second, frame, moving in watch(arguments.source):
            receipt = recorder.record(
                use_case=arguments.use_case,
                image=frame,
                predictions=moving,
                data={"value": f"{len(moving)} moving"},
                metadata={"second": round(second, 2)},
                stream_id=arguments.source,
                wait_for="nothing",
            )
            print(f"{second:7.2f} s  {receipt.event_id}  {len(moving)} moving")


def watch(source: str) -> Iterator[tuple[float, np.ndarray, sv.Detections]]:
    """Seconds, frame and what moves in it, whenever something does, after each cooldown."""
    video = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not video.isOpened():
        raise SystemExit(f"{source} cannot be opened as a video.")
    rate = video.get(cv2.CAP_PROP_FPS) or 30.0
    background = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    last = -COOLDOWN
    number = 0
    while True:
        has_frame, frame = video.read()
        if not has_frame:
            return
        moving = boxes_of(background.apply(frame))
        second, number = number / rate, number + 1
        # The first frame is all new.
        if number > 1 and len(moving) and second - last >= COOLDOWN:
            last = second
            yield second, frame, moving


def boxes_of(mask: np.ndarray) -> sv.Detections:
    """A box around each white area that is large enough."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [
        (x, y, x + width, y + height)
        for x, y, width, height in map(cv2.boundingRect, outlines)
        if width * height >= SMALLEST
    ]
    if not corners:
        return sv.Detections.empty()
    return sv.Detections(
        xyxy=np.array(corners, float),
        confidence=np.ones(len(corners)),
        data={"class_name": np.array(["moving"] * len(corners))},
    )


if __name__ == "__main__":
    main()
