"""The Workflows in workflow_examples run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "workflow_examples"

pytest.importorskip("skimage", reason="the demo's photograph comes with scikit-image")


def test_the_demo_counts_the_coins_and_shows_where_they_are(tmp_path):
    """The whole of `make demo`, without a key."""
    environment = {name: value for name, value in os.environ.items() if name != "VISION_EVENTS_STORE"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), "--folder", "shown"],
        capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "found 24 coins" in done.stdout
    assert "inventory_count" in done.stdout
    (picture,) = (tmp_path / "shown").glob("*-output.jpg")
    assert str(picture.relative_to(tmp_path)) in done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.name)
def test_every_example_compiles(path):
    """In the engine that is installed."""
    from roboflow_workflows.execution_engine.core import ExecutionEngine

    ExecutionEngine.init(json.loads(path.read_text()), init_parameters={})
