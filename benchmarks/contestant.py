"""One contestant, the stock block or our step, in a process of its own: runs what it is told and prints figures.

The engine reads where the API is when it is imported, so the environment comes first.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import requests

from benchmarks.frames import Array, Camera

STOCK = "roboflow_core/roboflow_vision_events@v1"
OURS = "vision_event_block/vision_event@v1"
# The default of the server and of the pipeline.
POOL = 4
QUALITIES = (95, 85)


class Contestant:
    """A Workflow whose only steps are Vision Events, in the real engine."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self._pool = ThreadPoolExecutor(POOL)
        from inference.core.interfaces.roboflow_platform_client import ServerRoboflowPlatformClient

        self._platform = ServerRoboflowPlatformClient()

    def engine(self, steps: int = 1, pictures: bool = True, **fields: Any) -> Any:
        """Compiled; without steps it measures the engine alone."""
        from roboflow_workflows.execution_engine.core import ExecutionEngine

        step = {
            "type": STOCK if self.kind == "stock" else OURS, "input_image": "$inputs.image", "event_type": "quality_check",
            "solution": "uc", "qc_result": "fail", "cooldown_seconds": 0, "custom_metadata": {"shift": "B"}, **fields,
        }  # fmt: skip
        if pictures:
            step["output_image"] = "$inputs.picture"
        named = [{**step, "name": f"event_{number}"} for number in range(steps)]
        outputs = [
            {"type": "JsonField", "name": one["name"], "selector": f"$steps.{one['name']}.*"} for one in named
        ]
        definition = {
            "version": "1.0", "inputs": [{"type": "InferenceImage", "name": "image"}, {"type": "InferenceImage", "name": "picture"}],
            "steps": named, "outputs": outputs or [{"type": "JsonField", "name": "image", "selector": "$inputs.image"}],
        }  # fmt: skip
        init = {
            "workflows_core.api_key": "key", "workflows_core.background_tasks": None,
            "workflows_core.thread_pool_executor": self._pool, "workflows_core.platform_client": self._platform,
        }  # fmt: skip
        return ExecutionEngine.init(definition, init_parameters=init)

    def background(self) -> dict[str, Any]:
        """The field that has the step not wait for anything."""
        return {"fire_and_forget": True} if self.kind == "stock" else {"wait_for": "nothing"}

    def waiting(self) -> dict[str, Any]:
        """The field that has it wait for the destination."""
        return {"fire_and_forget": False} if self.kind == "stock" else {"wait_for": "delivery"}

    def control(self, what: str) -> Any:
        """Tells the stand-in something."""
        return requests.get(f"{self.url}/control/{what}", timeout=60).json()

    def settle(self, events: int, timeout: float = 120.0) -> list[float]:
        """Waits until so many events arrived; when each did."""
        deadline = time.monotonic() + timeout
        while True:
            arrived = self.control("stats")["arrived"]
            if len(arrived) >= events or time.monotonic() > deadline:
                return sorted(moment for _, moment in arrived)
            time.sleep(0.1)


def run(engine: Any, frame: Array, picture: Array | None) -> tuple[float, dict[str, Any]]:
    """Seconds that one run took, and what it answered."""
    inputs = {"image": frame, "picture": frame if picture is None else picture}
    before = time.perf_counter()
    (answer,) = engine.run(inputs)
    return time.perf_counter() - before, answer


def model_until(moment: float, frame: Array) -> None:
    """Keeps the processor as busy as a model would that looks at the frame before the step does.

    Over idle cores a measurement would show how long they take to wake.
    """
    while time.monotonic() < moment:
        cv2.GaussianBlur(frame, (5, 5), 0)


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(1000 * one for one in seconds)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)],
    }


def empty_run(contestant: Contestant, camera: Camera, count: int = 60) -> float:
    """Seconds of a run without the step: what has to be taken off."""
    engine = contestant.engine(steps=0)
    return statistics.median(
        run(engine, frame := camera.shoot(), camera.draw(frame))[0] for _ in range(count)
    )


def encode(frame: Array, quality: int) -> bytes:
    """JPEG, as both contestants make it."""
    return bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def encode_both(frame: Array, picture: Array) -> None:
    """The two images of an event, one after the other."""
    for image, quality in zip((frame, picture), QUALITIES, strict=True):
        encode(image, quality)


def jpeg_alone(contestant: Contestant) -> dict[str, float]:
    """Wall and CPU time of encoding the two images of an event, one after the other, and nothing else."""
    camera = Camera()
    took, cpu = [], time.process_time()
    for _ in range(100):
        frame = camera.shoot()
        picture = camera.draw(frame)
        before = time.perf_counter()
        encode_both(frame, picture)
        took.append(time.perf_counter() - before)
    shooting = _cpu_of(lambda: camera.draw(camera.shoot()), 100)
    return {**percentiles(took), "cpu": 10 * (time.process_time() - cpu) - shooting}


def _cpu_of(action: Callable[[], object], count: int) -> float:
    """Milliseconds of CPU of one."""
    before = time.process_time()
    for _ in range(count):
        action()
    return 1000 * (time.process_time() - before) / count


def throughput(contestant: Contestant, latency: float, events: int) -> dict[str, float]:
    """Delivered in the background as fast as it goes; CPU, requests and connections of each event."""
    camera = Camera()
    engine = contestant.engine(**contestant.background())
    empty = contestant.engine(steps=0)
    contestant.control(f"latency/{latency}")
    contestant.control("reset")
    # Warm: connections are there, classes are loaded.
    warm = 8 if contestant.kind == "stock" else 80
    for _ in range(warm):
        run(engine, frame := camera.shoot(), camera.draw(frame))
    contestant.settle(warm)
    idle = _cpu_of(lambda: run(empty, frame := camera.shoot(), camera.draw(frame)), 30)
    contestant.control("reset")
    cpu, began, machine = time.process_time(), time.time(), _machine_busy()
    wall = time.monotonic()
    for _ in range(events):
        run(engine, frame := camera.shoot(), camera.draw(frame))
    arrived = contestant.settle(events)
    cpu, wall, machine = time.process_time() - cpu, time.monotonic() - wall, _machine_busy() - machine
    stats = contestant.control("stats")
    # Sustained: between a tenth and nine tenths of them.
    first, last = len(arrived) // 10, len(arrived) * 9 // 10
    return {
        "rate": (last - first) / max(arrived[last] - arrived[first], 1e-9), "whole_rate": len(arrived) / (arrived[-1] - began),
        "cpu": 1000 * cpu / events - idle, "busy": cpu / wall, "machine_busy": machine / wall, "requests": stats["requests"] / events,
        "connections": stats["connections"] / events, "delivered": len(arrived) / events,
    }  # fmt: skip


def _machine_busy() -> float:
    """Seconds that all processors together have worked since the machine started."""
    user, nice, system, _idle, _waiting, *rest = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")


def added_in_background(contestant: Contestant, count: int = 150) -> dict[str, float]:
    """Milliseconds that the step adds to a run at 30 frames a second, while its backlog drains at 50 ms latency."""
    camera = Camera()
    contestant.control("latency/0.05")
    empty = empty_run(contestant, camera)
    engine = contestant.engine(**contestant.background())
    contestant.control("reset")
    for _ in range(60):
        run(engine, frame := camera.shoot(), camera.draw(frame))
    took = []
    start = time.monotonic()
    for number in range(count):
        frame = camera.shoot()
        picture = camera.draw(frame)
        model_until(start + number / 30, frame)
        took.append(run(engine, frame, picture)[0] - empty)
    contestant.settle(count + 60)
    return percentiles(took)


def added_waiting_for_storage(contestant: Contestant, count: int = 150) -> dict[str, float]:
    """Milliseconds that the step adds to a run when it waits for the disk, and of encoding alone, turn by turn."""
    camera = Camera()
    contestant.control("latency/0.05")
    empty = empty_run(contestant, camera)
    engine = contestant.engine(wait_for="storage")
    took, alone = [], []
    start = time.monotonic()
    for number in range(count):
        frame = camera.shoot()
        picture = camera.draw(frame)
        model_until(start + number / 15, frame)
        took.append(run(engine, frame, picture)[0] - empty)
        before = time.perf_counter()
        encode_both(frame, picture)
        alone.append(time.perf_counter() - before)
    return {**percentiles(took), **{f"jpeg_{name}": value for name, value in percentiles(alone).items()}}


def added_waiting_for_delivery(contestant: Contestant, count: int = 30, **more: Any) -> dict[str, float]:
    """Milliseconds that the step adds to a run when it waits for the destination at 50 ms latency, one at a time."""
    camera = Camera()
    contestant.control("latency/0.05")
    empty = empty_run(contestant, camera, 20)
    engine = contestant.engine(**contestant.waiting(), **more)
    took = []
    for number in range(count + 3):
        frame = camera.shoot()
        picture = camera.draw(frame)
        model_until(time.monotonic() + 0.015, frame)
        seconds, answer = run(engine, frame, picture)
        assert not answer["event_0"]["error_status"], answer
        if number >= 3:
            took.append(seconds - empty)
    return percentiles(took)


def in_one_request(contestant: Contestant) -> dict[str, float]:
    """The same where image and event travel together, to an Event Store."""
    return added_waiting_for_delivery(contestant, write_to_event_store=True, event_store_url=contestant.url)


def one_frame_in_three_steps(contestant: Contestant) -> dict[str, float]:
    """Images that are uploaded when three steps of one Workflow send the same frame."""
    contestant.control("latency/0")
    engine = contestant.engine(steps=3, pictures=False, **contestant.background())
    contestant.control("reset")
    run(engine, Camera().shoot(), None)
    contestant.settle(3)
    return {"uploads": contestant.control("stats")["uploads"]}


def memory_when_stalled(contestant: Contestant) -> dict[str, float]:
    """MiB by which the process grows while the API answers nothing. The stock block gets fewer frames: it holds them all."""
    frames = 150 if contestant.kind == "stock" else 2000
    camera = Camera(1920, 1080)
    contestant.control("latency/0")
    engine = contestant.engine(**contestant.background())
    for _ in range(20):
        run(engine, frame := camera.shoot(), camera.draw(frame))
    contestant.control("latency/600")
    before = _resident()
    most = before
    for _ in range(frames):
        run(engine, frame := camera.shoot(), camera.draw(frame))
        most = max(most, _resident())
    return {"growth": (most - before) / 2**20, "frames": frames, "a_frame": (most - before) / 2**20 / frames}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


SCENARIOS: dict[str, Callable[[Contestant], dict[str, float]]] = {
    "jpeg alone": jpeg_alone,
    "added in background": added_in_background,
    "throughput at 50 ms": lambda c: throughput(c, 0.05, 60 if c.kind == "stock" else 600),
    "throughput at 200 ms": lambda c: throughput(c, 0.2, 30 if c.kind == "stock" else 300),
    "added waiting for delivery": added_waiting_for_delivery,
    "in one request": in_one_request,
    "one frame in three steps": one_frame_in_three_steps,
    "added waiting for storage": added_waiting_for_storage,
    "memory when stalled": memory_when_stalled,
}


def main(kind: str, url: str, wanted: list[str]) -> None:
    """Prints the figures of each scenario as JSON, then ends at once, whatever is still under way."""
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable()
    contestant = Contestant(kind, url)
    for name in wanted:
        print(json.dumps({name: SCENARIOS[name](contestant)}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:] or list(SCENARIOS))
