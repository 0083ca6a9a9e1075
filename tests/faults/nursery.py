"""A process that forks recorders and kills them, again and again: quicker than to start each anew.

Reads on its standard input how many seconds the next ones may live, and answers when each was killed. They
write every id that was returned to them into a file, which outlives them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from tests.faults.driver import hasten, record_frame, small_segments
from vision_event_block.recorder import Recorder

CHILDREN = 2


def main(told: Path) -> None:
    """Serves rounds until its standard input ends."""
    hasten()
    for turn, line in enumerate(sys.stdin):
        children = [_fork(told, f"r{turn}-{index}") for index in range(CHILDREN)]
        time.sleep(float(line))
        for child in children:
            os.kill(child, signal.SIGKILL)
        print(time.time(), flush=True)
        for child in children:
            os.waitpid(child, 0)


def _fork(told: Path, stream: str) -> int:
    child = os.fork()
    if child:
        return child
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    # One writes its images beside the database, the other into it.
    with small_segments() if stream.endswith("-0") else contextlib.nullcontext():
        recorder = Recorder()
        recorder.resume()
    number = 0
    while True:
        event_id = record_frame(recorder, stream, number)
        os.write(file, f"{event_id or 'NOT RECORDED'}\n".encode())
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
