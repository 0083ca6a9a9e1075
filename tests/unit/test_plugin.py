"""The plugin entry point: light to import, in any order, and with the surface it promises."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import vision_event_block

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("roboflow_workflows") is None, reason="the Workflows engine is not installed"
)
needs_server = pytest.mark.skipif(
    importlib.util.find_spec("inference") is None, reason="inference is not installed"
)


def _python(code: str, **environment: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=170,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    """No engine, no OpenCV, no network code, before the engine asks for the blocks."""
    heavy = {"cv2", "numpy", "requests", "pydantic", "inference", "roboflow_workflows", "torch", "sqlite3"}
    out = _python("import sys, vision_event_block; print(' '.join(sys.modules))")
    assert not heavy & set(out.split())


def test_everything_but_the_blocks_works_without_the_engine():
    """A script that runs no Workflow needs no inference."""
    code = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('inference', 'roboflow_workflows', 'torch'):
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
import vision_event_block
for name in vision_event_block.__all__:
    getattr(vision_event_block, name)
print(vision_event_block.Recorder().record(use_case='uc').status)
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert _python(code, VISION_EVENTS_STORE=f"{folder}/events.db") == "recorded"


def test_all_public_names_are_there():
    """And no more than those."""
    assert set(vision_event_block.__all__) == {*vision_event_block._HOMES, "load_blocks"}
    assert vision_event_block.__all__ == sorted(vision_event_block.__all__)
    for name in vision_event_block.__all__:
        assert getattr(vision_event_block, name)
    with pytest.raises(AttributeError):
        _ = vision_event_block.nothing


@needs_server
def test_the_plugin_may_be_loaded_before_inference():
    """The engine takes its configuration once, and the server refuses to start with another one."""
    code = """
import vision_event_block; vision_event_block.load_blocks()
from inference import InferencePipeline
print(vision_event_block.load_blocks()[0].__name__)
"""
    assert _python(code, MODEL_CACHE_DIR="/tmp/another-cache", OFFLINE_MODE="True").endswith(
        "VisionEventBlockV1"
    )


@needs_engine
def test_the_initializers_of_core_blocks_keep_their_values(monkeypatch):
    """Ours are written over those of every core block, so they must be the same."""
    from roboflow_workflows.core_steps.loader import REGISTERED_INITIALIZERS

    for name, ours in vision_event_block.REGISTERED_INITIALIZERS.items():
        assert (ours() if callable(ours) else ours) == REGISTERED_INITIALIZERS[name]
