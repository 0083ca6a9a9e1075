"""The step in InferencePipeline, on a video file."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import cv2
import pytest

if importlib.util.find_spec("inference") is None:
    pytest.skip("inference is not installed", allow_module_level=True)

from tests.conftest import a_frame, wait_until
from tests.engine.conftest import event_step, workflow
from tests.faults.judge import judge

FRAMES = 20


@pytest.fixture
def video(tmp_path: Any) -> str:
    """A short video of ten frames a second."""
    path = str(tmp_path / "belt.mp4")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), 10, (120, 90))
    for number in range(FRAMES):
        writer.write(a_frame(number))
    writer.release()
    return path


@pytest.mark.parametrize("wait_for", ["nothing", "storage"])
def test_every_frame_of_a_video_is_recorded_with_its_time_and_source(
    video, store, connected, monkeypatch, ledger, wait_for
):
    """Also when nobody waits: the pipeline throws away what is left in its own thread pool at the end."""
    monkeypatch.setenv("OFFLINE_MODE", "True")
    from inference import InferencePipeline

    outputs: list[dict[str, Any]] = []
    pipeline = InferencePipeline.init_with_workflow(
        video_reference=video,
        workflow_specification=workflow(event_step(wait_for=wait_for)),
        on_prediction=lambda result, _: outputs.append(result["event"]),
    )
    pipeline.start(use_main_thread=True)
    pipeline.join()
    ids = [output["event_id"] for output in outputs]
    assert len(set(ids)) == FRAMES
    wait_until(lambda: {event.id for event in store.catalog.events(limit=1000)} == set(ids))
    events = sorted(store.catalog.events(limit=1000), key=lambda event: event.captured_at)
    assert [event.id for event in events] == ids
    assert events[1].captured_at - events[0].captured_at == pytest.approx(0.1, abs=0.01)
    assert {json.loads(event.body)["streamId"] for event in events} == {"0"}
    wait_until(lambda: set(ids) <= connected.ids)
    wait_until(lambda: store.counts().pending == 0)
    done = f"its video ended, wait_for: {wait_for}"
    ledger("InferencePipeline ends", done, judge(connected.site.store, ids, connected.requests))
