"""The stock blocks, unmodified, and ours write to the Event Store service from the real engine."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import supervision as sv
from typer.testing import CliRunner

from tests.bundles import check_bundle
from tests.conftest import a_frame, wait_until
from tests.engine.conftest import STOCK, event_step, predictions_input, workflow
from tests.link import Link
from tests.site import KEY, Site
from vision_event_block.cli.app import app
from vision_event_block.shared import shared_recorder

EVENT_WRITER = "roboflow_enterprise/event_writer_sink@v1"
BUNDLE = "roboflow_core/vision_event_bundle@v1"


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A device's Event Store that asks for a key, and the key in the environment of the server."""
    monkeypatch.setenv("EVENT_INGESTION_API_KEY", KEY)
    (tmp_path / "device").mkdir()
    site = Site(tmp_path / "device")
    yield site
    site.close()


def detections() -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([[10.0, 10, 50, 40]]),
        confidence=np.array([0.75]),
        class_id=np.array([0]),
        data={"class_name": np.array(["dent"]), "detection_id": np.array(["d-1"])},
    )


def test_the_stock_block_writes_to_our_event_store(run, device):
    """`roboflow_vision_events@v1` with *write to event store* on."""
    step = event_step(
        event_type="quality_check", qc_result="fail", predictions="$inputs.predictions",
        write_to_event_store=True, event_store_url=device.url, fire_and_forget=False, external_id="lot-1",
        output_image="$inputs.image", custom_metadata={"shift": "B"},
    )  # fmt: skip
    inputs = (predictions_input("object_detection_prediction"),)
    definition = workflow({**step, "type": STOCK}, inputs=inputs)
    (result,) = run(definition, image=a_frame(1), predictions=[detections()])
    assert result["event"]["error_status"] is False, result
    (event,) = device.events.values()
    assert event["eventId"] == result["event"]["event_id"]
    assert event["eventData"] == {"result": "fail", "externalId": "lot-1"}
    assert event["customMetadata"] == {"shift": "B"}
    assert event["images"][0]["objectDetections"][0]["class"] == "dent"
    assert {"sourceId", "inputSourceId"} <= set(event["images"][0])


def test_the_enterprise_event_writer_writes_to_our_event_store(run, device, monkeypatch):
    """Which names no use case at all."""
    monkeypatch.setenv("WORKFLOWS_PLUGINS", "vision_event_block,roboflow_workflows.enterprise_blocks.loader")
    step = {
        "type": EVENT_WRITER, "name": "event", "event_ingestion_url": device.url, "event_schema": "safety_alert",
        "output_image": "$inputs.image", "alert_type": "no_hardhat", "severity": "high", "fire_and_forget": False,
        "object_detections": "$inputs.predictions", "image_label": "gate",
    }  # fmt: skip
    inputs = (predictions_input("object_detection_prediction"),)
    (result,) = run(workflow(step, inputs=inputs), image=a_frame(2), predictions=[detections()])
    assert result["event"]["error_status"] is False, result
    (event,) = device.events.values()
    assert event["eventId"] == result["event"]["event_id"]
    assert event["eventData"] == {"alertType": "no_hardhat", "severity": "high"}
    assert event["images"][0]["label"] == "gate"


def test_the_stock_block_shows_why_a_full_device_refuses(run, tmp_path, monkeypatch):
    """529 and its detail."""
    monkeypatch.setenv("EVENT_INGESTION_API_KEY", KEY)
    (tmp_path / "full").mkdir()
    device = Site(tmp_path / "full", destination="cloud", max_records=1)
    step = {
        **event_step(write_to_event_store=True, event_store_url=device.url, fire_and_forget=False),
        "type": STOCK,
    }
    run(workflow(step), image=a_frame(1))
    (result,) = run(workflow(step), image=a_frame(2))
    device.close()
    assert result["event"]["error_status"] is True
    assert "at capacity (529)" in result["event"]["message"]
    assert "is full (1 events" in result["event"]["message"]


def test_a_bundle_of_the_stock_block_can_be_carried_to_the_service(run, device, tmp_path):
    """For networks with no route out."""
    out = tmp_path / "bundles"
    out.mkdir()
    step = {
        "type": BUNDLE, "name": "event", "target_directory": str(out), "input_image": "$inputs.image",
        "event_type": "custom", "solution": "uc", "custom_value": "carried", "fire_and_forget": False,
        "cooldown_seconds": 0,
    }  # fmt: skip
    init = {"workflows_core.allow_access_to_file_system": True}
    (result,) = run(workflow(step), init=init, image=a_frame(3))
    assert result["event"]["error_status"] is False, result
    (bundle,) = out.glob("*.tar.gz")
    device.store.use_cases.add("uc")
    answer = requests.post(
        f"{device.url}/vision-events/bundle", data=bundle.read_bytes(),
        headers={"Authorization": f"Bearer {KEY}"}, timeout=10,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    (event,) = device.events.values()
    assert event["eventData"] == {"value": "carried"}
    assert "inputSourceId" in event["images"][0]


def test_a_bundle_of_the_stock_block_imports_into_our_store(run, store, connected, tmp_path):
    """With its images and predictions; and what the stock block wrote arrives over our backup."""
    out = tmp_path / "bundles"
    out.mkdir()
    step = {
        "type": BUNDLE, "name": "event", "target_directory": str(out), "input_image": "$inputs.image",
        "output_image": "$inputs.image", "predictions": "$inputs.predictions", "event_type": "quality_check",
        "solution": "uc", "qc_result": "fail", "custom_metadata": {"shift": "B"}, "fire_and_forget": False,
        "cooldown_seconds": 0,
    }  # fmt: skip
    init = {"workflows_core.allow_access_to_file_system": True}
    definition = workflow(step, inputs=(predictions_input("object_detection_prediction"),))
    run(definition, init=init, image=a_frame(3), predictions=[detections()])
    (bundle,) = out.glob("*.tar.gz")
    theirs = check_bundle(bundle)
    done = CliRunner().invoke(app, ["import", str(out)])
    assert (done.exit_code, done.output) == (0, "1 recorded, 0 were here already.\n")
    shared_recorder().resume()
    wait_until(lambda: connected.ids == {theirs["eventId"]})
    event = connected.events[theirs["eventId"]]
    image = event["images"][0]
    assert event["eventData"] == {"result": "fail"}
    assert event["customMetadata"] == {"shift": "B"}
    assert image["objectDetections"] == theirs["images"][0]["objectDetections"]
    with tarfile.open(bundle) as tar:
        for key, name in (("sourceId", "file"), ("inputSourceId", "inputFile")):
            assert connected.images[image[key]] == tar.extractfile(theirs["images"][0][name]).read()


def test_our_step_writes_to_an_event_store_under_its_own_id(run, device, store):
    """The fields of the stock block; recorded here first, and confirmed by the store there."""
    step = event_step(
        event_type="inventory_count", item_count=3, predictions="$inputs.predictions",
        write_to_event_store=True, event_store_url=device.url, wait_for="delivery", device_id="d1",
    )  # fmt: skip
    inputs = (predictions_input("object_detection_prediction"),)
    (result,) = run(workflow(step, inputs=inputs), image=a_frame(4), predictions=[detections()])
    assert result["event"]["status"] == "delivered", result
    (there,) = device.events.values()
    here = store.catalog.event(result["event"]["event_id"])
    assert here.state == "delivered"
    assert here.to_wire() == there
    assert store.catalog.history(here.id)[-1].words.endswith(f"stored as {here.id}")


def test_our_step_keeps_what_a_full_event_store_refuses(run, tmp_path, store, monkeypatch):
    """529 is back-pressure: the event waits here, and is delivered when there is room."""
    monkeypatch.setenv("EVENT_INGESTION_API_KEY", KEY)
    (tmp_path / "full").mkdir()
    device = Site(tmp_path / "full", destination="cloud", max_records=1)
    step = event_step(write_to_event_store=True, event_store_url=device.url)
    definition = workflow(step)
    (first,) = run(definition, image=a_frame(1))
    wait_until(lambda: store.catalog.event(first["event"]["event_id"]).state == "delivered")
    (second,) = run(definition, image=a_frame(2))
    second_id = second["event"]["event_id"]
    wait_until(lambda: store.catalog.history(second_id))
    assert "529" in store.catalog.history(second_id)[-1].words
    assert store.catalog.event(second_id).state == "pending"
    device.store.drop([first["event"]["event_id"]])
    # The Retry-After of the store is half a minute; a person need not wait.
    route = next(iter(store.queue.routes()))
    store.queue.close_circuit(route)
    wait_until(lambda: second_id in device.events)
    device.close()


def test_a_lost_answer_of_an_event_store_makes_no_second_event(run, tmp_path, store, monkeypatch):
    """The Idempotency-Key is the id of the event."""
    from tests.link import Fault

    monkeypatch.setenv("EVENT_INGESTION_API_KEY", KEY)
    link = Link.to_new_site(tmp_path / "linked")
    lost = iter([True])
    link.fault = lambda request: Fault(drop=True, after=True) if next(lost, False) else None
    step = event_step(write_to_event_store=True, event_store_url=link.url, wait_for="delivery")
    (result,) = run(workflow(step), image=a_frame(5))
    assert result["event"]["status"] == "delivered"
    assert [request.headers["Idempotency-Key"] for request in link.requests] == [
        result["event"]["event_id"]
    ] * 2
    assert link.site.store.counts().recorded == 1
    link.close()


def test_an_event_store_that_is_the_steps_own_store_takes_the_event_on(run, tmp_path, store, monkeypatch):
    """The service runs beside the server on one store: the event goes on to where the service delivers."""
    monkeypatch.setenv("EVENT_INGESTION_API_KEY", KEY)
    cloud = Link.to_new_site(tmp_path / "cloud")
    service = Site(
        tmp_path, store=str(tmp_path / "events.db"), destination="cloud", api_base_url=cloud.url, api_key=KEY
    )
    step = event_step(
        write_to_event_store=True, event_store_url=service.url, predictions="$inputs.predictions"
    )
    inputs = (predictions_input("object_detection_prediction"),)
    (result,) = run(workflow(step, inputs=inputs), image=a_frame(6), predictions=[detections()])
    event_id = result["event"]["event_id"]
    wait_until(lambda: event_id in cloud.ids)
    wait_until(lambda: store.catalog.event(event_id).state == "delivered")
    assert json.loads(store.catalog.event(event_id).body)["images"]
    assert store.counts().recorded == 1
    service.close()
    cloud.close()
