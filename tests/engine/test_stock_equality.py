"""A saved Workflow moves over by changing its `type`: the same event, field for field."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.conftest import a_frame, wait_until
from tests.engine.conftest import STOCK, TYPE, predictions_input, workflow
from tests.engine.predictions import BY_KIND
from tests.site import KEY

pytest.importorskip("inference", reason="the stock block needs the inference server's platform client")

_FIELDS: dict[str, dict[str, Any]] = {
    "quality_check": {"qc_result": "fail", "external_id": "lot-1"},
    "inventory_count": {"location": "bay 2", "item_count": 3, "item_type": "crate", "external_id": "lot-1"},
    "safety_alert": {
        "alert_type": "spill",
        "severity": "high",
        "alert_description": "wet",
        "external_id": "lot-1",
    },
    "custom": {"custom_value": "stopped", "external_id": "lot-1"},
    "operator_feedback": {"related_event_id": "evt-1", "feedback": "incorrect"},
}


def _sent(cloud: Any, run: Any, definition: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    before = cloud.ids
    from inference.core.interfaces.roboflow_platform_client import ServerRoboflowPlatformClient

    init = {"workflows_core.api_key": KEY, "workflows_core.platform_client": ServerRoboflowPlatformClient()}
    (result,) = run(definition, init=init, **inputs)
    assert result["event"]["error_status"] is False, result
    wait_until(lambda: cloud.ids - before)
    (event_id,) = cloud.ids - before
    assert result["event"]["event_id"] == event_id
    return cloud.events[event_id]


def _comparable(event: dict[str, Any], cloud: Any) -> dict[str, Any]:
    """Without what differs from event to event by its nature."""
    event = copy.deepcopy(event)
    del event["eventId"], event["timestamp"]
    for image in event["images"]:
        for key in ("sourceId", "inputSourceId"):
            if key in image:
                image[key] = cloud.images[image[key]]
    return event


@pytest.fixture
def both(connected: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs one step as the stock block and as ours, and gives what each sent."""
    from roboflow_workflows.core_steps.sinks.roboflow.vision_events import v1

    monkeypatch.setattr(v1, "API_BASE_URL", connected.url)

    def both(step: dict[str, Any], inputs: tuple[dict[str, Any], ...] = (), **values: Any) -> tuple[Any, Any]:
        events = []
        for kind in (STOCK, TYPE):
            definition = workflow(
                {"name": "event", "fire_and_forget": False, **step, "type": kind}, inputs=inputs
            )
            events.append(_comparable(_sent(connected, run, definition, values), connected))
        return events[0], events[1]

    return both


@pytest.mark.parametrize("case", BY_KIND)
def test_predictions_of_every_kind_become_the_same_annotations(both, case):
    """On recorded predictions, with both images."""
    kind, predictions = BY_KIND[case]
    stock, ours = both(
        {
            "input_image": "$inputs.image",
            "output_image": "$inputs.image",
            "predictions": "$inputs.predictions",
            "event_type": "custom",
            "solution": "uc",
        },
        (predictions_input(kind),),
        image=a_frame(1),
        predictions=[predictions],
    )
    # The stock block encodes the frame twice, at 95 and 85. Ours sends one file for both roles,
    # because a frame is encoded once per run.
    assert stock["images"][0].pop("sourceId") != stock["images"][0]["inputSourceId"]
    assert ours["images"][0].pop("sourceId") == stock["images"][0]["inputSourceId"]
    assert ours == stock


@pytest.mark.parametrize("event_type", _FIELDS)
def test_every_event_type_carries_the_same_data(both, event_type):
    """All fields given at once, so that those of other types must be left out too."""
    everything = {name: value for fields in _FIELDS.values() for name, value in fields.items()}
    step = {
        "event_type": event_type,
        "solution": "uc",
        "custom_metadata": {"shift": "B", "torque": 4.2, "ok": True},
    }
    stock, ours = both({**step, **everything, "input_image": "$inputs.image"}, image=a_frame(2))
    assert ours == stock
    assert ours["eventData"]


def test_an_event_without_anything_optional_is_the_same(both):
    """No image, no data, no metadata."""
    stock, ours = both({"event_type": "custom", "solution": "$inputs.use_case"},
                       ({"type": "WorkflowParameter", "name": "use_case"},), image=a_frame(3), use_case="uc")  # fmt: skip
    assert ours == stock
    assert set(ours) == {"eventType", "useCaseId", "images"}


def test_ours_says_more_where_the_frame_has_a_source(both):
    """The stock block sends no stream, although the API has a column for it."""
    image = {
        "type": "numpy_object",
        "value": a_frame(4),
        "video_metadata": {
            "video_identifier": "cam-left",
            "frame_number": 1,
            "frame_timestamp": "2026-11-20T08:00:00",
        },
    }
    stock, ours = both(
        {"event_type": "custom", "solution": "uc", "input_image": "$inputs.image"},
        image=_workflow_image(image),
    )
    assert ours.pop("streamId") == "cam-left"
    assert ours == stock


def _workflow_image(image: dict[str, Any]) -> Any:
    from roboflow_workflows.core_steps.common.deserializers import deserialize_image_kind

    return deserialize_image_kind("image", image)


def test_the_fields_of_the_stock_block_keep_their_defaults():
    """All of them are there, so that a saved Workflow means the same."""
    from roboflow_workflows.core_steps.sinks.roboflow.vision_events.v1 import BlockManifest

    from vision_event_block.blocks.vision_event.v1.manifest import VisionEventManifestV1

    stock, ours = BlockManifest.model_fields, VisionEventManifestV1.model_fields
    assert set(stock) <= set(ours)
    for name in set(stock) & set(ours) - {"type"}:
        assert ours[name].get_default(call_default_factory=True) == stock[name].get_default(
            call_default_factory=True
        )
        assert ours[name].is_required() == stock[name].is_required()
        assert ours[name].title == stock[name].title


def test_the_builder_draws_the_shared_fields_alike():
    """The same choices, kinds, bounds and conditions; only words differ, and ours takes more predictions."""
    from roboflow_workflows.core_steps.sinks.roboflow.vision_events.v1 import BlockManifest

    from vision_event_block.blocks.vision_event.v1.manifest import VisionEventManifestV1

    words = {"description", "examples", "values_metadata"}
    stock, ours = (
        {
            name: {key: value for key, value in field.items() if key not in words}
            for name, field in fields.items()
        }
        for fields in (
            BlockManifest.model_json_schema()["properties"],
            VisionEventManifestV1.model_json_schema()["properties"],
        )
    )
    for name in set(stock) & set(ours) - {"type", "predictions"}:
        assert ours[name] == stock[name], name
