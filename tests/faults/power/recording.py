"""A process that records, delivers and prunes, and writes down what it was told, for `journal.c` to watch."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from tests.faults.driver import a_picture, small_segments
from vision_event_block.recorder import Recorder
from vision_event_block.settings import Settings
from vision_event_block.store.model import Outcome


def main(folder: Path, events: int, images: str) -> None:
    """Two threads record; a third settles what is pending and prunes. The images go `inside` or `beside`."""
    told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
    with small_segments(60_000) if images == "beside" else contextlib.nullcontext():
        recorder = Recorder(Settings(store=str(folder / "events.db"), backup=False, retention_days=1e-9))
        recorder.store.counts()
    done = threading.Event()

    def record(stream: str) -> None:
        for number in range(events // 2):
            receipt = recorder.record(
                use_case="uc", image=a_picture(stream, number, 120), idempotency_key=f"{stream} {number}"
            )
            assert receipt.event_id, receipt.message
            os.write(told, f"recorded {receipt.event_id}\n".encode())

    def settle() -> None:
        store = recorder.store
        while not done.wait(0.01):
            for route in store.queue.routes():
                claimed = store.queue.claim(route, "t", 60, 7)[:5]
                settled = set(store.queue.settle("t", [Outcome(event.seq, "delivered") for event in claimed]))
                store.queue.release("t")
                ids = [event.id for event in claimed if event.seq in settled]
                os.write(told, "".join(f"delivered {event_id}\n" for event_id in ids).encode())
            store.prune()

    settling = threading.Thread(target=settle)
    settling.start()
    recording = [threading.Thread(target=record, args=(name,)) for name in ("a", "b")]
    for thread in recording:
        thread.start()
    for thread in recording:
        thread.join()
    done.set()
    settling.join()
    # As abruptly as the power goes.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
