"""The Python API: what it answers, and how much it holds in memory."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import supervision as sv

from tests.conftest import a_frame, wait_until


def test_a_frame_and_its_detections_are_taken_as_they_are(make_recorder, frame):
    """`sv.Detections` and a BGR array, as a script has them."""
    detections = sv.Detections(xyxy=np.array([[1, 2, 11, 22]]), data={"class_name": np.array(["lid"])})
    recorder = make_recorder()
    receipt = recorder.record(
        use_case="uc",
        event_type="quality_check",
        image=frame,
        predictions=detections,
        data={"result": "fail"},
    )
    (event,) = recorder.store.catalog.events()
    body = json.loads(event.body)
    assert event.id == receipt.event_id == body["eventId"]
    assert body["images"][0]["objectDetections"][0]["class"] == "lid"
    assert body["eventData"] == {"result": "fail"}


def test_an_image_that_cannot_be_encoded_costs_the_image_and_not_the_event(make_recorder):
    """And the receipt says so."""
    recorder = make_recorder()
    receipt = recorder.record(use_case="uc", image=np.zeros((4, 4, 7), np.uint8))
    assert receipt.status == "recorded"
    assert "input image was left out" in receipt.message
    assert (
        "images" not in json.loads(recorder.store.catalog.events()[0].body)
        or json.loads(recorder.store.catalog.events()[0].body)["images"] == []
    )


def test_what_is_handed_over_is_bounded_and_the_rest_waits_for_the_disk(make_recorder, monkeypatch):
    """Memory does not grow with the speed of a camera."""
    recorder = make_recorder(handover_bytes=100_000)
    recorder.record(use_case="uc")
    gate = threading.Event()
    record = type(recorder.store).record
    monkeypatch.setattr(type(recorder.store), "record", lambda *args: gate.wait(20) and record(*args))
    pixels = a_frame(1).nbytes
    held = 0
    handed_over = []
    while held + pixels <= 100_000:
        handed_over.append(
            recorder.record(use_case="uc", image=a_frame(len(handed_over)), wait_for="nothing")
        )
        held += pixels
    assert all("Handed over" in receipt.message for receipt in handed_over)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(recorder.record, use_case="uc", image=a_frame(99), wait_for="nothing")
        assert recorder._writer.held_bytes <= 100_000
        assert not waiting.done()
        gate.set()
        assert "Recorded" in waiting.result(20).message
    wait_until(lambda: recorder.store.counts().recorded == len(handed_over) + 2)


def test_the_recording_thread_outlives_whatever_goes_wrong_after_a_commit(make_recorder, monkeypatch):
    """Or every later event would wait for nobody."""
    recorder = make_recorder()
    recorder.record(use_case="uc")
    monkeypatch.setattr(type(recorder.store), "tidy", lambda store: 1 / 0)
    assert [recorder.record(use_case="uc").status for _ in range(3)] == ["recorded"] * 3


def test_a_device_id_of_the_environment_that_is_too_long_is_cut_too(make_recorder):
    """It is somebody else's setting."""
    recorder = make_recorder(device_id="d" * 400)
    assert recorder.record(use_case="uc").status == "recorded"
    assert len(json.loads(recorder.store.catalog.events()[0].body)["deviceId"]) == 256


def test_events_recorded_at_once_from_many_threads_are_all_there(make_recorder):
    """They share commits."""
    recorder = make_recorder()
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda seed: recorder.record(use_case="uc", image=a_frame(seed)), range(80)))
    assert len({receipt.event_id for receipt in receipts}) == 80
    assert recorder.store.counts().recorded == 80


def test_one_event_that_does_not_fit_does_not_take_those_with_it_that_share_its_commit(make_recorder):
    """A group that fails is tried one by one."""
    recorder = make_recorder(max_bytes=2_000_000)
    with ThreadPoolExecutor(8) as pool:
        noise = np.random.default_rng(1).integers(0, 255, (1500, 1500, 3), np.uint8)
        big = [pool.submit(recorder.record, use_case="uc", image=noise) for _ in range(1)]
        small = [pool.submit(recorder.record, use_case="uc") for _ in range(30)]
    assert [future.result().status for future in big] == ["refused"]
    assert {future.result().status for future in small} == {"recorded"}


@pytest.mark.parametrize("use_case", ["", None, 7])
def test_an_event_without_a_use_case_is_refused_and_has_no_id(make_recorder, use_case):
    """A number is a name, too."""
    receipt = make_recorder().record(use_case=use_case)
    assert (receipt.event_id == "") == (use_case != 7)
    assert receipt.error == (use_case != 7)


def test_a_key_that_comes_later_is_said_to_be_missing(make_recorder):
    """What to do, in the message."""
    assert "ROBOFLOW_API_KEY" in make_recorder().record(use_case="uc").message
