"""The step in the real Execution Engine."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import a_frame, moment, wait_until
from tests.engine import predictions as recorded
from tests.engine.conftest import TYPE, event_step, predictions_input, workflow
from tests.site import OTHER_KEY


def _body(store: Any, index: int = 0) -> dict[str, Any]:
    return json.loads(store.catalog.events()[index].body)


def _annotations(run: Any, store: Any, kind: str, predictions: Any) -> dict[str, Any]:
    definition = workflow(event_step(predictions="$inputs.predictions"), inputs=(predictions_input(kind),))
    (result,) = run(definition, image=a_frame(1), predictions=[predictions])
    assert result["event"]["status"] == "recorded", result
    return _body(store)


def test_the_step_is_known_to_the_engine_with_all_its_texts():
    """What /workflows/blocks/describe answers."""
    from roboflow_workflows.execution_engine.introspection.blocks_loader import describe_available_blocks

    described = describe_available_blocks(dynamic_blocks=[])
    (block,) = [block for block in described.blocks if block.manifest_type_identifier == TYPE]
    assert block.human_friendly_block_name == "Vision Event"
    assert block.block_schema["block_type"] == "sink"
    assert {output.name for output in block.outputs_manifest} == {
        "error_status", "throttling_status", "event_id", "message", "status",
    }  # fmt: skip


def test_masks_given_as_run_lengths_become_polygons(run, store):
    """The stock block does not take this kind at all."""
    event = _annotations(run, store, "rle_instance_segmentation_prediction", recorded.RLE)
    (segmentation,) = event["images"][0]["instanceSegmentations"]
    xs, ys = zip(*segmentation["points"], strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (10, 49, 25, 54)


def test_semantic_segmentation_is_taken_as_outlines(run, store):
    """One region for each class."""
    event = _annotations(run, store, "semantic_segmentation_prediction", recorded.RLE)
    assert len(event["images"][0]["instanceSegmentations"]) == 1


@pytest.mark.parametrize(
    ("kind", "predictions", "metadata"),
    [
        ("qr_code_detection", recorded.QR_CODE, {"qr_code": "LOT-4711/OK"}),
        ("bar_code_detection", recorded.BAR_CODE, {"barcode": "ABC-123"}),
    ],
)
def test_the_text_of_a_code_goes_along(run, store, kind, predictions, metadata):
    """As metadata, where events can be searched by it; its box is a detection."""
    event = _annotations(run, store, kind, predictions)
    assert event["customMetadata"] == metadata
    assert len(event["images"][0]["objectDetections"]) == 1


def test_a_batch_is_recorded_in_one_transaction_and_answered_in_order(run, store):
    """Each image gets its own event, each event its own predictions."""
    definition = workflow(
        event_step(predictions="$inputs.predictions"),
        inputs=(predictions_input("object_detection_prediction"),),
    )
    predictions = []
    for number in range(3):
        prediction = json.loads(json.dumps(recorded.OBJECT_DETECTION))
        prediction["predictions"][0]["class"] = f"class-{number}"
        predictions.append(prediction)
    results = run(definition, image=[a_frame(number) for number in range(3)], predictions=predictions)
    by_id = {event.id: event for event in store.catalog.events()}
    for number, result in enumerate(results):
        event = by_id[result["event"]["event_id"]]
        assert json.loads(event.body)["images"][0]["objectDetections"][0]["class"] == f"class-{number}"
    assert len({event.recorded_at for event in by_id.values()}) == 1


def test_values_of_a_batch_and_values_for_all_go_to_the_right_event(run, store):
    """A verdict for each image, a lot number for all."""
    definition = workflow(
        event_step(
            event_type="quality_check",
            qc_result="$inputs.verdict",
            external_id="$inputs.lot",
            custom_metadata={"verdict": "$inputs.verdict"},
        ),
        inputs=(
            {"type": "WorkflowBatchInput", "name": "verdict", "kind": ["string"]},
            {"type": "WorkflowParameter", "name": "lot"},
        ),
    )
    results = run(definition, image=[a_frame(1), a_frame(2)], verdict=["pass", "fail"], lot="L1")
    events = {event.id: json.loads(event.body) for event in store.catalog.events()}
    data = [events[result["event"]["event_id"]] for result in results]
    assert [event["eventData"] for event in data] == [
        {"result": "pass", "externalId": "L1"},
        {"result": "fail", "externalId": "L1"},
    ]
    assert [event["customMetadata"]["verdict"] for event in data] == ["pass", "fail"]


def test_an_element_that_was_filtered_upstream_makes_no_event(run, store):
    """Where a condition stopped one image, only the other is recorded."""
    definition = workflow(
        {
            "type": "roboflow_core/continue_if@v1",
            "name": "gate",
            "condition_statement": {
                "type": "StatementGroup",
                "statements": [
                    {
                        "type": "BinaryStatement",
                        "left_operand": {"type": "DynamicOperand", "operand_name": "verdict"},
                        "comparator": {"type": "=="},
                        "right_operand": {"type": "StaticOperand", "value": "fail"},
                    }
                ],
            },
            "evaluation_parameters": {"verdict": "$inputs.verdict"},
            "next_steps": ["$steps.event"],
        },
        event_step(),
        inputs=({"type": "WorkflowBatchInput", "name": "verdict", "kind": ["string"]},),
    )
    definition["outputs"] = definition["outputs"][1:]
    results = run(definition, image=[a_frame(1), a_frame(2)], verdict=["pass", "fail"])
    assert store.counts().recorded == 1
    assert [result["event"]["event_id"] for result in results][1] == store.catalog.events()[0].id


def test_a_step_without_any_batch_records_one_event(run, store):
    """An operator's feedback has no image."""
    step = event_step(event_type="operator_feedback", related_event_id="$inputs.about", feedback="correct")
    del step["input_image"]
    definition = workflow(step, inputs=({"type": "WorkflowParameter", "name": "about"},))
    (result,) = run(definition, image=a_frame(1), about="evt-1")
    assert result["event"]["status"] == "recorded"
    assert _body(store)["eventData"] == {"relatedEventId": "evt-1", "feedback": "correct"}


def test_three_steps_that_send_one_frame_store_it_once(run, store):
    """Frames are encoded at most once per run."""
    encoded: list[Any] = []
    original = cv2.imencode
    cv2.imencode = lambda *args: encoded.append(1) or original(*args)
    try:
        run(
            workflow(event_step("a"), event_step("b"), event_step("c", output_image="$inputs.image")),
            image=a_frame(1),
        )
    finally:
        cv2.imencode = original
    assert store.counts().recorded == 3
    assert len(encoded) == 1


def test_the_id_of_one_step_can_be_used_by_the_next(run, store):
    """Feedback refers to the event that it is about."""
    first = event_step("first")
    second = event_step("second", event_type="operator_feedback", related_event_id="$steps.first.event_id")
    (result,) = run(workflow(first, second), image=a_frame(1))
    assert _body(store)["eventData"]["relatedEventId"] == result["first"]["event_id"]


@pytest.mark.parametrize("file_type", [".jpg", ".png"])
def test_a_file_that_came_as_bytes_is_passed_on_as_it_came(run, store, file_type):
    """Not decoded and encoded again."""
    file = cv2.imencode(file_type, a_frame(1))[1].tobytes()
    run(workflow(event_step()), image={"type": "base64", "value": base64.b64encode(file).decode()})
    claimed = store.queue.claim(next(iter(store.queue.routes())), "t", 1, 1)[0]
    assert store.image(claimed.images[0, "input"]).data == file


def test_a_file_that_somebody_drew_on_is_encoded_anew(run, store):
    """The event shows what the step was given, in a run that draws in place between two steps."""
    file = cv2.imencode(".png", a_frame(1))[1].tobytes()
    draw = {
        "type": "roboflow_core/bounding_box_visualization@v1",
        "name": "draw",
        "image": "$inputs.image",
        "predictions": "$inputs.predictions",
        "copy_image": False,
    }
    after = event_step("after", input_image="$inputs.image", custom_metadata={"order": "$steps.draw.image"})
    after["custom_metadata"] = {}
    after["output_image"] = "$steps.draw.image"
    definition = workflow(draw, after, inputs=(predictions_input("object_detection_prediction"),))
    definition["outputs"] = definition["outputs"][1:]
    run(definition, image={"type": "base64", "value": base64.b64encode(file).decode()},
        predictions=[recorded.OBJECT_DETECTION])  # fmt: skip
    claimed = store.queue.claim(next(iter(store.queue.routes())), "t", 1, 1)[0]
    for digest in claimed.images.values():
        pixels = cv2.imdecode(np.frombuffer(store.image(digest).data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(pixels.astype(int) - a_frame(1)).max() > 50


def test_the_time_of_the_event_is_the_time_of_the_frame(run, store):
    """And its stream is the video source; a frame without metadata gets neither made up."""
    from roboflow_workflows.core_steps.common.deserializers import deserialize_image_kind

    taken = datetime.now() - timedelta(hours=3)
    image = deserialize_image_kind(
        "image",
        {
            "type": "numpy_object",
            "value": a_frame(1),
            "video_metadata": {
                "video_identifier": "3",
                "frame_number": 7,
                "frame_timestamp": taken.isoformat(),
            },
        },
    )
    run(workflow(event_step()), image=image)
    body = _body(store)
    assert moment(body["timestamp"]) == taken.astimezone()
    assert body["streamId"] == "3"
    run(workflow(event_step()), image=a_frame(2))
    assert "streamId" not in _body(store)


def test_the_device_id_of_the_inference_configuration_is_the_default(run, store, monkeypatch):
    """A step may name its own."""
    monkeypatch.setenv("DEVICE_ID", "press-4")
    run(workflow(event_step(), event_step("own", device_id="press-5")), image=a_frame(1))
    assert {json.loads(event.body)["deviceId"] for event in store.catalog.events()} == {"press-4", "press-5"}


def test_the_same_idempotency_key_is_the_same_event_however_often_it_runs(run, store):
    """And the step says so."""
    definition = workflow(
        event_step(idempotency_key="$inputs.serial"),
        inputs=({"type": "WorkflowParameter", "name": "serial"},),
    )
    first, again, other = (
        run(definition, image=a_frame(1), serial=serial)[0]["event"] for serial in ("1", "1", "2")
    )
    assert first["event_id"] == again["event_id"] != other["event_id"]
    assert "recorded already" in again["message"]
    assert store.counts().recorded == 2


def test_the_cooldown_holds_across_engines_and_per_step(run, store):
    """A server makes a new engine for every request."""
    definition = workflow(
        event_step("a", cooldown_seconds=60), event_step("b", cooldown_seconds=60, custom_value="x")
    )
    first, second = (run(definition, image=a_frame(number))[0] for number in range(2))
    assert [first["a"]["status"], first["b"]["status"]] == ["recorded", "recorded"]
    for name in ("a", "b"):
        assert second[name] == {
            "error_status": False,
            "throttling_status": True,
            "event_id": "",
            "message": "Sink cooldown applies",
            "status": "throttled",
        }
    assert store.counts().recorded == 2


def test_an_event_that_was_refused_starts_no_cooldown(run, store):
    """The stock block starts it before it sends."""
    definition = workflow(
        event_step(cooldown_seconds=60, solution="$inputs.uc"),
        inputs=({"type": "WorkflowParameter", "name": "uc"},),
    )
    assert run(definition, image=a_frame(1), uc="")[0]["event"]["status"] == "refused"
    assert run(definition, image=a_frame(1), uc="uc")[0]["event"]["status"] == "recorded"


@pytest.mark.parametrize(
    ("init", "step", "message"),
    [
        ({"workflows_core.disable_sinks": True}, {}, "Sink was disabled by workflow execution policy"),
        ({}, {"disable_sink": True}, "Sink was disabled by parameter `disable_sink`"),
    ],
)
def test_a_disabled_step_records_nothing_and_says_why(run, store, init, step, message):
    """The builder's preview disables all sinks of a run."""
    (result,) = run(workflow(event_step(**step)), init=init, image=a_frame(1))
    assert (result["event"]["status"], result["event"]["message"]) == ("disabled", message)
    assert store.counts().recorded == 0


@pytest.mark.parametrize("wait_for", ["nothing", "storage", "delivery"])
def test_the_id_is_the_real_one_in_every_mode(run, connected, wait_for):
    """The stock block answers no id in the background."""
    (result,) = run(workflow(event_step(wait_for=wait_for)), image=a_frame(1))
    assert result["event"]["status"] == ("delivered" if wait_for == "delivery" else "recorded")
    wait_until(lambda: result["event"]["event_id"] in connected.ids)


@pytest.mark.parametrize(("fire_and_forget", "status"), [(True, "recorded"), (False, "delivered")])
def test_fire_and_forget_means_storage_and_waiting_means_delivery(run, connected, fire_and_forget, status):
    """As a saved Workflow of the stock block expects it."""
    (result,) = run(workflow(event_step(fire_and_forget=fire_and_forget)), image=a_frame(1))
    assert result["event"]["status"] == status


def test_the_key_of_the_run_is_used(run, connected):
    """The server hands it over with each request."""
    init = {"workflows_core.api_key": OTHER_KEY}
    (result,) = run(workflow(event_step(wait_for="delivery")), init=init, image=a_frame(1))
    assert connected.key_of[result["event"]["event_id"]] == OTHER_KEY


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"event_type": "defect"}, "event_type"),
        ({"custom_metadata": {"bad/key": 1}}, "bad/key"),
        ({"custom_metadata": {f"k{number}": 1 for number in range(101)}}, "custom_metadata"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"wait_for": "ever"}, "wait_for"),
        ({"qc_result": "maybe"}, "qc_result"),
        ({"write_to_event_store": "yes"}, "write_to_event_store"),
        ({"event_store_url": "localhost:8001"}, "event_store_url"),
        ({"use_case": "another"}, "use_case"),
    ],
)
def test_a_wrong_definition_is_refused_when_the_workflow_is_compiled(run, wrong, named):
    """With the field named."""
    from roboflow_workflows.errors import WorkflowSyntaxError

    with pytest.raises(WorkflowSyntaxError) as refusal:
        run(workflow(event_step(**wrong)), image=a_frame(1))
    assert named in repr(refusal.value.__dict__) + str(refusal.value.inner_error)


def test_use_case_is_another_name_of_solution(run, store):
    """The word that the rest of the world uses."""
    step = event_step(use_case="uc-2")
    del step["solution"]
    run(workflow(step), image=a_frame(1))
    assert store.catalog.events()[0].use_case == "uc-2"


def test_wrong_values_at_run_time_are_mended_and_the_message_says_so(run, store):
    """Nothing that arrives in a stream may stop it or lose its event."""
    names = ("kind", "result", "lot", "wait", "cooldown", "meta", "device")
    definition = workflow(
        event_step(
            event_type="$inputs.kind",
            qc_result="$inputs.result",
            external_id="$inputs.lot",
            wait_for="$inputs.wait",
            cooldown_seconds="$inputs.cooldown",
            custom_metadata={"list": "$inputs.meta", "nan": "$inputs.result"},
            device_id="$inputs.device",
        ),
        inputs=tuple({"type": "WorkflowParameter", "name": name} for name in names),
    )
    (result,) = run(
        definition, image=a_frame(1), kind="Quality Check", result=float("nan"), lot="x" * 2000, wait="soon",
        cooldown="often", meta=[1, {"a": None}], device="d" * 300,
    )  # fmt: skip
    event = _body(store)
    assert result["event"]["status"] == "recorded"
    assert event["eventType"] == "quality_check"
    assert event["eventData"] == {"externalId": "x" * 1000}
    assert event["customMetadata"] == {"list": '[1, {"a": null}]', "nan": "nan"}
    assert len(event["deviceId"]) == 256
    for word in (
        "`result` nan",
        "`externalId` was cut from 2000",
        "`wait_for` 'soon'",
        "`device_id` was cut",
        "'list'",
    ):
        assert word in result["event"]["message"]


def test_an_event_type_that_nobody_knows_is_kept_as_a_custom_event(run, store):
    """What the type said is in its value."""
    definition = workflow(
        event_step(event_type="$inputs.kind"), inputs=({"type": "WorkflowParameter", "name": "kind"},)
    )
    (result,) = run(definition, image=a_frame(1), kind="defect")
    assert (_body(store)["eventType"], _body(store)["eventData"]) == ("custom", {"value": "defect"})
    assert "'defect'" in result["event"]["message"]


def test_an_image_that_cannot_be_read_costs_the_image_and_not_the_event(run, store):
    """A file that is gone, a URL that does not answer."""
    from roboflow_workflows.execution_engine.entities.base import ImageParentMetadata, WorkflowImageData

    image = WorkflowImageData(ImageParentMetadata(parent_id="image"), image_reference="/no/such/file.jpg")
    (result,) = run(workflow(event_step()), image=image)
    assert result["event"]["status"] == "recorded", result
    assert "An image could not be read" in result["event"]["message"]
    assert _body(store)["images"] == []


@pytest.mark.parametrize("place", ["/proc/no/events.db", "/dev/null/events.db", "postgresql://db/events"])
def test_a_store_that_cannot_be_used_is_a_message_and_not_an_exception(run, monkeypatch, place):
    """The stream goes on, and whoever looks knows what to do."""
    monkeypatch.setenv("VISION_EVENTS_STORE", place)
    (result,) = run(workflow(event_step()), image=a_frame(1))
    assert (result["event"]["status"], result["event"]["error_status"]) == ("refused", True)
    assert result["event"]["event_id"] == ""
    assert "VISION_EVENTS_STORE" in result["event"]["message"]


def test_a_wrong_setting_is_a_message_and_not_an_exception(run, monkeypatch):
    """With the variable named."""
    monkeypatch.setenv("VISION_EVENTS_MAX_BYTES", "much")
    (result,) = run(workflow(event_step()), image=a_frame(1))
    assert result["event"]["status"] == "refused"
    assert "max_bytes" in result["event"]["message"].lower()
