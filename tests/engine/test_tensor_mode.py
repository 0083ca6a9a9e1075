"""The engine's tensor mode hands over classes of its own; events are the same."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("inference_models") is None or importlib.util.find_spec("inference") is None:
    pytest.skip("the tensor mode is not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]

# The mode is chosen when the engine is imported, so it needs a process of its own.
SCRIPT = """
import json
import inference.core
import numpy as np
from pycocotools import mask
from roboflow_workflows.execution_engine.core import ExecutionEngine
from tests.conftest import a_frame
from tests.engine import predictions as recorded
from tests.engine.conftest import event_step, predictions_input, workflow
from vision_event_block.shared import shared_recorder

shape = np.zeros((90, 120), np.uint8, order="F")
shape[25:55, 10:50] = 1
rle = json.loads(json.dumps(recorded.RLE))
rle["predictions"][0]["rle_mask"]["counts"] = mask.encode(shape)["counts"].decode()
cases = {
    "boxes": ("object_detection_prediction", recorded.OBJECT_DETECTION),
    "outlines": ("rle_instance_segmentation_prediction", rle),
    "unreadable": ("rle_instance_segmentation_prediction", recorded.RLE),
    "classes": ("classification_prediction", recorded.MULTI_CLASS),
    "labels": ("classification_prediction", recorded.MULTI_LABEL),
}
for name, (kind, predictions) in cases.items():
    definition = workflow(event_step(predictions="$inputs.predictions"), inputs=(predictions_input(kind),))
    engine = ExecutionEngine.init(definition, init_parameters={})
    (result,) = engine.run({"image": a_frame(1), "predictions": [predictions]})
    assert result["event"]["status"] == "recorded", result
    print(json.dumps([name, json.loads(shared_recorder().store.catalog.events(limit=1)[0].body)["images"][0]]))
"""


def test_every_sort_of_native_prediction_is_understood(tmp_path):
    """Boxes, masks, single and multiple labels; a mask that the engine itself cannot decode leaves its event."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VISION_EVENTS_STORE": str(tmp_path / "tensor.db"),
        "ENABLE_TENSOR_DATA_REPRESENTATION": "True",
        "USE_INFERENCE_MODELS": "True",
        "OFFLINE_MODE": "True",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    images = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert [box["class"] for box in images["boxes"]["objectDetections"]] == ["dent", "scratch"]
    xs, ys = zip(*images["outlines"]["instanceSegmentations"][0]["points"], strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (10, 49, 25, 54)
    assert [entry["class"] for entry in images["classes"]["classifications"]] == ["good", "bad"]
    assert [entry["class"] for entry in images["labels"]["classifications"]] == ["red"]
    assert len(images["unreadable"]["objectDetections"]) == 1
