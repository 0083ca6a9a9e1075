"""The Workflows in workflow_examples run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "workflow_examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.name)
def test_every_example_compiles(path):
    """In the engine that is installed."""
    from roboflow_workflows.execution_engine.core import ExecutionEngine

    ExecutionEngine.init(json.loads(path.read_text()), init_parameters={})
