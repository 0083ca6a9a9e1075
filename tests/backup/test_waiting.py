"""Who waits for a delivery has it begun at once; who does not leaves the backup time to fill its batches."""

from __future__ import annotations

import threading
import time

import pytest

from tests.conftest import a_frame, wait_until
from tests.link import Fault
from vision_event_block.backup import confirmations
from vision_event_block.backup.confirmations import Confirmations
from vision_event_block.draft import Draft, compose
from vision_event_block.store.model import Circuit, Lease, Route


def record_together(recorder, frames, **more):
    """One thread for each frame; the receipts."""
    receipts = []
    threads = [
        threading.Thread(
            target=lambda frame=frame: receipts.append(
                recorder.record(use_case="uc", image=frame, wait_for="delivery", **more)
            )
        )
        for frame in frames
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return receipts


def test_two_requests_deliver_an_event_that_somebody_waits_for(cloud, make_recorder):
    """Nothing else is asked, and the history says what happened."""
    recorder = make_recorder(cloud)
    receipt = recorder.record(use_case="uc", image=a_frame(1), wait_for="delivery")
    assert receipt.status == "delivered"
    assert [request.path for request in cloud.requests] == ["/vision-events/upload", "/vision-events"]
    assert [what.what for what in recorder.store.catalog.history(receipt.event_id)] == ["delivered"]


def test_an_event_under_way_is_nobody_elses(cloud, make_recorder):
    """Another process on the store finds it leased from the moment that it is there."""
    cloud.fault = lambda request: Fault(delay=0.3)
    first, second = make_recorder(cloud), make_recorder(cloud)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            second.resume()
            second._worker.notify()
            time.sleep(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    receipts = [first.record(use_case="uc", image=a_frame(seed), wait_for="delivery") for seed in range(3)]
    done.set()
    looking.join()
    assert [receipt.status for receipt in receipts] == ["delivered"] * 3
    assert cloud.count("/vision-events/upload") == 3
    assert len(cloud.writes) == 3


def test_a_frame_that_several_wait_for_is_uploaded_once(cloud, make_recorder):
    """The first one has it under way, and the others queue for what comes of it."""
    cloud.fault = lambda request: Fault(delay=0.1)
    frame = a_frame(1)
    receipts = record_together(make_recorder(cloud), [frame] * 6)
    assert [receipt.status for receipt in receipts] == ["delivered"] * 6
    assert cloud.count("/vision-events/upload") == 1
    assert len(cloud.writes) == 6


def test_many_who_wait_at_once_share_requests(cloud, make_recorder):
    """A few go at once, the rest in batches."""
    cloud.fault = lambda request: Fault(delay=0.5)
    receipts = record_together(make_recorder(cloud), [a_frame(seed) for seed in range(40)])
    assert [receipt.status for receipt in receipts] == ["delivered"] * 40
    assert len(cloud.writes) == 40
    assert cloud.count("/vision-events") + cloud.count("/vision-events/batch") < 20


def test_a_delivery_that_fails_goes_back_to_the_queue(quick, cloud, make_recorder):
    """It is said so, and once the destination is back the event arrives, once."""
    recorder = make_recorder(cloud, delivery_timeout_seconds=0.4)
    cloud.stop()
    receipt = recorder.record(use_case="uc", image=a_frame(1), wait_for="delivery")
    assert (receipt.status, receipt.error) == ("recorded", True)
    cloud.start()
    wait_until(lambda: receipt.event_id in cloud.ids)
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert len(cloud.writes) == 1


def test_a_destination_that_hangs_leaves_the_others_their_threads(cloud, make_recorder, tmp_path):
    """However many wait for it."""
    cloud.fault = lambda request: Fault(delay=3)
    recorder = make_recorder(cloud, delivery_timeout_seconds=0.1)
    record_together(recorder, [a_frame(seed) for seed in range(12)])
    folder = tmp_path / "bundles"
    folder.mkdir()
    bundled = make_recorder(
        destination=f"file://{folder}", store=recorder.settings.store, delivery_timeout_seconds=20
    )
    assert bundled.record(use_case="uc", wait_for="delivery").status == "delivered"
    cloud.fault = lambda request: None


def test_without_a_way_out_nothing_is_leased(make_recorder):
    """No key: the event waits in the queue, where it is found by whoever has one."""
    recorder = make_recorder()
    receipt = recorder.record(use_case="uc", wait_for="delivery")
    assert receipt.error
    assert [event.id for event in recorder.store.queue.claim(Route("cloud"), "t", 9, 9)] == [receipt.event_id]


def test_events_that_come_fast_travel_in_full_batches(cloud, make_recorder):
    """The first goes at once, the next ones gather for half a second."""
    cloud.fault = lambda request: Fault(delay=0.02)
    recorder = make_recorder(cloud)
    for _ in range(150):
        recorder.record(use_case="uc")
        time.sleep(0.005)
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert len(cloud.ids) == 150
    assert cloud.count("/vision-events") + cloud.count("/vision-events/batch") < 12


def test_what_is_settled_between_two_looks_is_noticed(make_recorder, monkeypatch):
    """Whoever looks and then begins to wait must not miss it in between."""
    monkeypatch.setattr(confirmations, "_POLL", 3600.0)
    recorder = make_recorder(backup=False)
    event_id = recorder.record(use_case="uc").event_id
    waiting = Confirmations(recorder.store)
    answers = iter([("pending", ""), ("delivered", "")])

    def state(_: str):
        answer = next(answers)
        waiting.announce()
        return answer

    monkeypatch.setattr(recorder.store, "state", state)
    assert waiting.wait([event_id], 3600.0) == {event_id: ("delivered", "")}


@pytest.mark.parametrize("is_new", [True, False], ids=["new image", "known image"])
def test_a_lease_is_granted_only_for_images_that_nobody_else_may_be_uploading(make_recorder, is_new):
    """The store decides it in the transaction that records."""
    recorder = make_recorder(backup=False, api_key="key")
    route = recorder.route()
    if not is_new:
        recorder.record(use_case="uc", image=a_frame(1))
    frame = a_frame(1)
    composition = compose(Draft("uc", "custom", image=recorder.frames.of(frame)))
    (recorded,) = recorder.record_events([composition.new_event(route, Lease("mine", 60))])
    assert recorder.store.catalog.event(recorded.id).images
    assert (recorded.claimed is not None) == is_new
    others = recorder.store.queue.claim(route, "theirs", 60, 10)
    assert (composition.event.event_id in {event.id for event in others}) != is_new


def test_what_somebody_else_just_failed_with_is_not_tried_at_once(make_recorder):
    """The look at the route was before it failed, the claim after."""
    recorder = make_recorder(backup=False, api_key="key")
    recorder.record(use_case="uc")
    route = recorder.route()
    recorder.store.queue.trip(route, 1, 60, "401")
    assert recorder._worker._claim(route, Circuit(), "t") == []
    assert len(recorder._worker._claim(route, Circuit(failures=1), "t2")) == 0
    recorder.store.queue.release("t")
    assert len(recorder._worker._claim(route, Circuit(failures=1), "t3")) == 1
