"""The real inference HTTP server, started on loopback with WORKFLOWS_PLUGINS set and nothing else."""

from __future__ import annotations

import base64
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import pytest
import requests

if importlib.util.find_spec("inference") is None or importlib.util.find_spec("uvicorn") is None:
    pytest.skip("the inference server is not installed", allow_module_level=True)

from tests.conftest import a_frame, wait_until
from tests.engine.conftest import TYPE, event_step, predictions_input, workflow
from tests.engine.predictions import OBJECT_DETECTION
from tests.faults.judge import judge
from tests.link import Link
from tests.site import KEY
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

_ROOT = Path(__file__).parents[2]


def an_image(seed: int, file_type: str = ".png") -> dict[str, str]:
    """A frame as a client sends it."""
    file = cv2.imencode(file_type, a_frame(seed))[1].tobytes()
    return {"type": "base64", "value": base64.b64encode(file).decode()}


class Server:
    """One inference server and the cloud it delivers to."""

    def __init__(self, folder: Path, cloud: Link) -> None:
        self.cloud = cloud
        self.store = folder / "events.db"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # The server serves its landing page from folders relative to where it is started.
        for name in ("out/static", "out/_next/static"):
            (folder / "inference/landing" / name).mkdir(parents=True)
        environment = {
            **os.environ,
            "OFFLINE_MODE": "True",
            "MODEL_CACHE_DIR": str(folder / "cache"),
            "WORKFLOWS_PLUGINS": "vision_event_block",
            "PYTHONPATH": str(_ROOT),
            "VISION_EVENTS_STORE": str(self.store),
            "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0",
            "API_BASE_URL": cloud.url,
        }
        self._log = (folder / "server.log").open("wb")
        command = [
            "-m",
            "uvicorn",
            "tests.server.launch:app",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=self._log, stderr=self._log
        )
        wait_until(self._answers, 150, "the inference server starts")

    def _answers(self) -> bool:
        assert self.process.poll() is None, Path(self._log.name).read_text()[-3000:]
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/info", timeout=5).ok
        except requests.RequestException:
            return False

    def post(self, path: str, body: Any) -> Any:
        return requests.post(f"http://127.0.0.1:{self.port}{path}", json=body, timeout=60)

    def run(self, *steps: dict[str, Any], seed: int = 0, **more: Any) -> dict[str, Any]:
        return self.run_definition(workflow(*steps), {"image": an_image(seed)}, **more)

    def run_definition(
        self, definition: dict[str, Any], inputs: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        body = {"specification": definition, "inputs": inputs, "api_key": KEY, **more}
        response = self.post("/workflows/run", body)
        assert response.status_code == 200, response.text[:2000]
        (outputs,) = response.json()["outputs"]
        return outputs

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._log.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    cloud = Link.to_new_site(tmp_path_factory.mktemp("site"))
    running = Server(tmp_path_factory.mktemp("server"), cloud)
    yield running
    if running.process.poll() is None:
        running.stop()
    cloud.close()


def test_the_builder_is_told_of_the_step(server):
    """/workflows/blocks/describe is what the builder draws from."""
    described = server.post("/workflows/blocks/describe", {}).json()
    blocks = {block["manifest_type_identifier"]: block for block in described["blocks"]}
    assert blocks[TYPE]["human_friendly_block_name"] == "Vision Event"
    assert "step_key" not in blocks[TYPE]["block_schema"]["required"]


def test_the_definition_schema_knows_the_step(server):
    """Editors check workflow JSON against it."""
    schema = requests.get(f"http://127.0.0.1:{server.port}/workflows/definition/schema", timeout=60)
    assert TYPE in schema.text


def test_a_wrong_definition_is_a_400_that_names_the_field(server):
    """Before anything runs."""
    response = server.post("/workflows/validate", workflow(event_step(cooldown_seconds=-1)))
    assert response.status_code == 400
    assert "cooldown_seconds" in response.text


def test_a_request_records_and_delivers_an_event_with_the_file_it_sent(server):
    """The key comes with the request; the PNG goes to the cloud as it came."""
    outputs = server.run(event_step(wait_for="delivery"), seed=1)
    assert outputs["event"]["status"] == "delivered", outputs
    event = server.cloud.events[outputs["event"]["event_id"]]
    sent = cv2.imencode(".png", a_frame(1))[1].tobytes()
    assert server.cloud.images[event["images"][0]["inputSourceId"]] == sent


def test_predictions_recorded_as_json_arrive_as_annotations(server):
    """The way in which another service hands its predictions over."""
    definition = workflow(
        event_step(predictions="$inputs.predictions", wait_for="delivery"),
        inputs=(predictions_input("object_detection_prediction"),),
    )
    image = an_image(2, ".jpg")
    outputs = server.run_definition(definition, {"image": image, "predictions": [OBJECT_DETECTION]})
    event = server.cloud.events[outputs["event"]["event_id"]]
    assert [box["class"] for box in event["images"][0]["objectDetections"]] == ["dent", "scratch"]


def test_the_cooldown_holds_from_request_to_request(server):
    """The engine makes new blocks for each of them."""
    step = event_step(cooldown_seconds=600, custom_value="cooled")
    assert [server.run(step)["event"]["status"] for _ in range(3)] == ["recorded", "throttled", "throttled"]


def test_a_run_with_sinks_disabled_records_nothing(server):
    """The builder's test runs."""
    assert server.run(event_step(), disable_sinks=True)["event"]["status"] == "disabled"


def test_many_requests_at_once_lose_nothing(server):
    """Requests run in threads of one process."""
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda seed: server.run(event_step(), seed=seed)["event"], range(100, 140)))
    ids = {run["event_id"] for run in runs}
    assert len(ids) == 40
    wait_until(lambda: ids <= server.cloud.ids)


def test_the_metrics_of_the_server_count_events_too(server):
    """In its own registry, beside those of its models."""

    def recorded() -> float:
        text = requests.get(f"http://127.0.0.1:{server.port}/metrics", timeout=10).text
        (line,) = (line for line in text.splitlines() if line.startswith("vision_events_recorded_total "))
        return float(line.split()[1])

    server.run(event_step(), seed=300)
    before = recorded()
    for seed in range(301, 304):
        server.run(event_step(), seed=seed)
    assert recorded() == before + 3


def test_a_value_of_the_wrong_kind_does_not_fail_the_request(server):
    """The engine would answer 400 for a value that does not fit its manifest; ours takes it and says so."""
    definition = workflow(
        event_step(event_type="quality_check", qc_result="$inputs.result"),
        inputs=({"type": "WorkflowParameter", "name": "result"},),
    )
    outputs = server.run_definition(definition, {"image": an_image(3), "result": ["what"]})
    assert outputs["event"]["status"] == "recorded"
    assert "`result` ['what']" in outputs["event"]["message"]


def test_a_server_that_is_stopped_leaves_its_events_to_the_next_process(server, make_recorder, ledger):
    """Comes last: recorded while the cloud was away, server stopped, delivered by somebody else."""
    server.cloud.stop()

    def frame(mode: str, number: int) -> dict[str, Any]:
        named = {"stream": mode, "number": number, "images": 1}
        return server.run(event_step(wait_for=mode, custom_metadata=named), seed=200 + number)["event"]

    ids = {frame(mode, number)["event_id"] for number, mode in enumerate(["nothing", "storage"] * 5)}
    server.stop()
    assert server.process.returncode in (0, -signal.SIGTERM)
    left = SQLiteEventStore(server.store, Quota(10**9))
    assert ids <= {event.id for event in left.catalog.events(limit=1000)}
    left.close()
    server.cloud.start()
    recorder = make_recorder(server.cloud, store=str(server.store))
    recorder.resume()
    wait_until(lambda: ids <= server.cloud.ids, 40)
    ledger("inference server stopped", "SIGTERM right after a response", judge(server.cloud.site.store, ids))
    assert all(server.cloud.key_of[event_id] == KEY for event_id in ids)
