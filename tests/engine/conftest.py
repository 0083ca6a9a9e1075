"""The real Execution Engine, with this plugin in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("roboflow_workflows", reason="the Workflows engine is not installed")

from tests.link import Link
from tests.site import KEY
from vision_event_block import shared
from vision_event_block.blocks.cooldown import COOLDOWN

TYPE = "vision_event_block/vision_event@v1"
STOCK = "roboflow_core/roboflow_vision_events@v1"


@pytest.fixture(autouse=True)
def plugin(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """WORKFLOWS_PLUGINS and nothing else; a store of its own; no cooldown left from another test."""
    monkeypatch.setenv("WORKFLOWS_PLUGINS", "vision_event_block")
    monkeypatch.setenv("VISION_EVENTS_STORE", str(tmp_path / "events.db"))
    monkeypatch.setenv("VISION_EVENTS_EXIT_FLUSH_SECONDS", "0")
    COOLDOWN._last.clear()
    yield
    if shared._shared is not None:
        shared._shared.close()
        shared._shared = None


@pytest.fixture
def connected(cloud: Link, monkeypatch: pytest.MonkeyPatch) -> Link:
    """The environment of a device with a key."""
    monkeypatch.setenv("API_BASE_URL", cloud.url)
    monkeypatch.setenv("ROBOFLOW_API_KEY", KEY)
    return cloud


def workflow(*steps: dict[str, Any], inputs: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A Workflow with an image input, the steps, and all outputs of each step."""
    return {
        "version": "1.0",
        "inputs": [{"type": "InferenceImage", "name": "image"}, *inputs],
        "steps": list(steps),
        "outputs": [
            {"type": "JsonField", "name": step["name"], "selector": f"$steps.{step['name']}.*"}
            for step in steps
        ],
    }


def event_step(name: str = "event", **fields: Any) -> dict[str, Any]:
    """A Vision Event step without a cooldown."""
    return {
        "type": TYPE,
        "name": name,
        "input_image": "$inputs.image",
        "event_type": "custom",
        "solution": "uc",
        "cooldown_seconds": 0,
        **fields,
    }


def predictions_input(kind: str) -> dict[str, Any]:
    return {"type": "WorkflowBatchInput", "name": "predictions", "kind": [kind]}


@pytest.fixture
def run() -> Callable[..., list[dict[str, Any]]]:
    """Compiles a Workflow and runs it once."""
    from roboflow_workflows.execution_engine.core import ExecutionEngine

    def run(
        definition: dict[str, Any], init: dict[str, Any] | None = None, **inputs: Any
    ) -> list[dict[str, Any]]:
        engine = ExecutionEngine.init(definition, init_parameters=init or {})
        return engine.run(inputs)

    return run


@pytest.fixture
def store() -> Any:
    """The event store that the step wrote to."""

    class Lazy:
        def __getattr__(self, name: str) -> Any:
            return getattr(shared.shared_recorder().store, name)

    return Lazy()
