"""The judge sees what it is there to see."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tests.conftest import wait_until
from tests.faults.driver import a_picture, record_frame, record_streams
from tests.faults.judge import judge
from tests.link import Fault
from tests.site import KEY
from vision_event_block import VisionEventsClient


def _delivered(recorder, cloud, frames=4):
    told = record_streams(recorder, streams=1, frames=frames)
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert judge(cloud.site.store, told, cloud.requests).is_clean
    return told


def test_an_event_that_is_missing_is_lost(cloud, make_recorder):
    """By its id."""
    told = _delivered(make_recorder(cloud), cloud)
    cloud.site.store.drop([told[1]])
    assert judge(cloud.site.store, told).lost == 1


def test_an_event_without_its_image_is_lost(cloud, make_recorder):
    """It was recorded with one."""
    told = _delivered(make_recorder(cloud), cloud)
    event = cloud.events[told[0]]
    with VisionEventsClient(KEY, base_url=cloud.url) as client:
        client.create_event({**event, "images": [{"label": "workflow"}], "displayImagePosition": 0})
    assert judge(cloud.site.store, told).lost == 1


def test_the_same_frame_under_another_id_is_there_twice(cloud, make_recorder):
    """What a retry with a new id would make."""
    recorder = make_recorder(cloud)
    told = _delivered(recorder, cloud)
    record_frame(recorder, "s0", 3)
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert judge(cloud.site.store, told).twice == 1


def test_a_needless_upload_is_an_orphan_and_one_whose_answer_was_lost_is_not(cloud, make_recorder):
    """Of an image that no event shows, or of one that is there."""
    told = _delivered(make_recorder(cloud), cloud)
    with VisionEventsClient(KEY, base_url=cloud.url, retries=0) as client:
        client.upload_image(a_picture("nobody", 0))
        assert judge(cloud.site.store, told, cloud.requests).orphaned == 1
        content = cloud.site.store.image(next(iter(cloud.referenced_images()))).data
        client.upload_image(content)
        assert judge(cloud.site.store, told, cloud.requests).orphaned == 2
        cloud.requests[-1].answer_was_lost = True
        client.upload_image(content)
    verdict = judge(cloud.site.store, told, cloud.requests)
    assert (verdict.orphaned, verdict.excused) == (2, 1)


def test_frames_of_a_stream_that_change_places_are_seen(cloud, make_recorder):
    """By the time that they say they were captured at."""
    recorder = make_recorder(cloud)
    now = datetime.now(timezone.utc)
    ids = [
        recorder.record(
            use_case="uc", captured_at=now - timedelta(seconds=ago),
            metadata={"stream": "s", "number": number, "images": 0},
        ).event_id
        for number, ago in enumerate((3, 1, 2))
    ]  # fmt: skip
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert judge(cloud.site.store, ids).disordered == 1


def test_a_link_that_loses_answers_says_so(cloud, make_recorder):
    """Which is what the judge rests on."""
    cloud.fault = lambda request: Fault(drop=True, after=True) if request.number == 0 else None
    recorder = make_recorder(cloud)
    record_frame(recorder, "s", 0)
    recorder.store.queue.hurry()
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert [request.answer_was_lost for request in cloud.requests][:2] == [True, False]
