"""A process that records events and tells the id of each on its standard output, until it is killed."""

from __future__ import annotations

import sys

import numpy as np

from vision_event_block.recorder import Recorder


def main(name: str, count: int, wait_for: str) -> None:
    """Records `count` events; each has a picture of its own."""
    recorder = Recorder()
    recorder.resume()
    print("ready", flush=True)
    for number in range(count):
        picture = np.random.default_rng().integers(0, 255, (60, 80, 3), np.uint8)
        receipt = recorder.record(
            use_case="uc", image=picture, stream_id=name, workflow_id=str(number), wait_for=wait_for
        )
        if receipt.event_id:
            print(receipt.event_id, flush=True)
        else:
            print("NOT RECORDED", receipt.message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
