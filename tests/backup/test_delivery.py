"""Recorded events reach the cloud, each exactly once, and what cannot is set aside."""

from __future__ import annotations

import json
import logging

import pytest

from tests.conftest import a_frame, wait_until
from tests.link import Fault, Link
from tests.site import KEY, OTHER_KEY
from vision_event_block.store.model import Route


def record_many(recorder, count, **more):
    return [recorder.record(use_case="uc", image=a_frame(seed), **more).event_id for seed in range(count)]


def test_an_event_arrives_with_its_image_and_under_its_id(cloud, make_recorder, frame):
    """The two documented steps, upload then create, become one call."""
    receipt = make_recorder(cloud).record(
        use_case="uc", event_type="quality_check", image=frame, data={"result": "fail"}, wait_for="delivery"
    )
    event = cloud.events[receipt.event_id]
    assert receipt.status == "delivered"
    assert event["eventData"] == {"result": "fail"}
    assert cloud.images[event["images"][0]["inputSourceId"]].startswith(b"\xff\xd8")


def test_many_events_travel_in_few_requests(cloud, make_recorder):
    """A backlog goes in batches of up to 100 over pooled connections."""
    away = make_recorder(cloud, backup=False)
    ids = record_many(away, 150)
    away.close()
    recorder = make_recorder(cloud)
    recorder.resume()
    assert recorder.flush(20)
    assert cloud.ids == set(ids)
    assert cloud.count("/vision-events/batch") == 2
    assert cloud.count("/vision-events") == 0
    assert cloud.connections <= recorder.settings.uploads + 2


def test_an_image_that_many_events_show_is_uploaded_once(cloud, make_recorder, frame):
    """Images are known by their content."""
    recorder = make_recorder(cloud)
    for _ in range(20):
        recorder.record(use_case="uc", image=frame.copy(), output_image=frame.copy())
    assert recorder.flush(20)
    assert len(cloud.events) == 20
    # The same pixels at the two qualities of original and picture to show.
    assert cloud.count("/vision-events/upload") == 2


def test_an_upload_is_remembered_when_the_event_then_fails(cloud, make_recorder):
    """A retry repeats only the step that failed."""
    failures = iter([True, True, False])
    cloud.fault = lambda r: (
        Fault(status=503) if r.path != "/vision-events/upload" and next(failures, False) else None
    )
    recorder = make_recorder(cloud)
    ids = record_many(recorder, 3)
    wait_until(lambda: cloud.ids == set(ids))
    assert cloud.count("/vision-events/upload") == 3


def test_an_answer_that_is_lost_after_the_event_was_stored_makes_no_second_event(cloud, make_recorder):
    """The id is made here, and the cloud replaces what comes again under it."""
    lost = iter([True])
    cloud.fault = lambda r: (
        Fault(drop=True, after=True) if r.path != "/vision-events/upload" and next(lost, False) else None
    )
    recorder = make_recorder(cloud)
    receipt = recorder.record(use_case="uc", image=a_frame(1), wait_for="delivery")
    assert receipt.status == "delivered"
    assert list(cloud.events) == [receipt.event_id]
    assert cloud.writes == [receipt.event_id] * 2
    assert len(cloud.images) == 1


def test_an_outage_delays_and_loses_nothing(cloud, make_recorder):
    """Events recorded while nobody listens arrive when somebody does."""
    recorder = make_recorder(cloud)
    cloud.stop()
    ids = record_many(recorder, 20)
    wait_until(lambda: any(circuit.failures for circuit in recorder.store.queue.routes().values()))
    cloud.start()
    wait_until(lambda: cloud.ids == set(ids), 40)
    assert cloud.referenced_images() == set(cloud.images)


def test_one_in_five_requests_refused_with_503_loses_nothing_and_leaves_no_orphans(
    quick, cloud, make_recorder
):
    """What the stock block loses half of."""
    cloud.fault = lambda r: Fault(status=503) if r.number % 5 == 0 else None
    recorder = make_recorder(cloud)
    ids = record_many(recorder, 60)
    wait_until(lambda: cloud.ids == set(ids), 60)
    assert cloud.referenced_images() == set(cloud.images)


def test_a_refused_event_is_isolated_and_the_rest_of_its_batch_flows_on(cloud, make_recorder):
    """Poison does not block, and the server's words are kept."""
    away = make_recorder(cloud, backup=False)
    good = record_many(away, 10)
    bad = away.record(use_case="uc", device_id="poison", image=a_frame(99)).event_id
    good += [away.record(use_case="uc", image=a_frame(50 + seed)).event_id for seed in range(10)]
    away.close()
    cloud.fault = lambda r: (
        Fault(status=422, body='{"error": "deviceId is poison"}') if b'"poison"' in r.body else None
    )
    recorder = make_recorder(cloud)
    recorder.resume()
    assert recorder.flush(20)
    assert cloud.ids == set(good)
    state, reason = recorder.store.state(bad)
    assert state == "rejected"
    assert "deviceId is poison" in reason


def test_a_batch_that_creates_fewer_than_sent_is_partly_refused(cloud, make_recorder):
    """The events that the answer does not name are sent one by one, to learn why."""
    away = make_recorder(cloud, backup=False)
    ids = [away.record(use_case="uc", device_id=f"d{number}").event_id for number in range(6)]
    away.close()
    cloud.fault = _without_d3
    recorder = make_recorder(cloud)
    recorder.resume()
    assert recorder.flush(20)
    assert cloud.ids == set(ids) - {ids[3]}
    assert recorder.store.state(ids[3]) == ("rejected", recorder.store.state(ids[3])[1])
    assert "eventData.result" in recorder.store.state(ids[3])[1]


def _without_d3(request):
    """A server that leaves one event out of a batch without a word, and says why when it comes alone."""
    if request.path == "/vision-events/batch":
        events = json.loads(request.body)["events"]
        return Fault(
            instead=json.dumps({"events": [event for event in events if event["deviceId"] != "d3"]}).encode()
        )
    return Fault(status=400, body='{"error": "eventData.result: must be pass or fail"}')


def test_an_unknown_use_case_is_rejected_at_once_with_the_words_of_the_server(cloud, make_recorder):
    """It says which use case, to whoever waits for it."""
    receipt = make_recorder(cloud).record(use_case="no-such", wait_for="delivery")
    assert receipt.status == "refused"
    assert receipt.error
    assert "The use case 'no-such' does not exist" in receipt.message


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_key_that_is_refused_pauses_its_route_and_uses_up_no_attempt(cloud, make_recorder, status):
    """A wrong key must not turn a day of events into rejects."""
    cloud.fault = lambda r: Fault(
        status=status, body='{"error": "Insufficient permissions for this resource."}'
    )
    recorder = make_recorder(cloud, delivery_timeout_seconds=0.5)
    receipt = recorder.record(use_case="uc", wait_for="delivery")
    assert (receipt.status, receipt.error) == ("recorded", True)
    assert "Insufficient permissions" in receipt.message
    assert len(cloud.requests) == 1
    (circuit,) = recorder.store.queue.routes().values()
    assert circuit.open_until > 0
    route = next(iter(recorder.store.queue.routes()))
    assert [claimed.attempts for claimed in recorder.store.queue.claim(route, "t", 1, 1)] == [0]


def test_without_a_key_events_are_recorded_and_go_when_one_comes(cloud, make_recorder):
    """A device may be set up before its account is."""
    recorder = make_recorder(api_base_url=cloud.url)
    receipt = recorder.record(use_case="uc", wait_for="delivery")
    assert receipt.status == "recorded"
    assert "ROBOFLOW_API_KEY" in receipt.message
    recorder.close()
    later = make_recorder(cloud)
    later.resume()
    assert later.flush(20)
    assert list(cloud.events) == [receipt.event_id]


def test_an_event_is_delivered_with_the_key_it_was_recorded_for_and_no_other(cloud, make_recorder):
    """Two workspaces on one device never see each other's events."""
    recorder = make_recorder(cloud)
    mine = recorder.record(use_case="uc").event_id
    theirs = recorder.record(use_case="uc", api_key=OTHER_KEY).event_id
    assert recorder.flush(20)
    assert cloud.key_of == {mine: KEY, theirs: OTHER_KEY}


def test_an_event_of_a_key_that_this_process_does_not_have_waits(cloud, make_recorder):
    """A later process with another key leaves it alone."""
    recorder = make_recorder(cloud, backup=False)
    theirs = recorder.record(use_case="uc", api_key="gone-key").event_id
    recorder.close()
    later = make_recorder(cloud)
    mine = later.record(use_case="uc").event_id
    wait_until(lambda: mine in cloud.ids)
    assert later.flush(1)
    assert theirs not in cloud.events
    assert later.store.state(theirs)[0] == "pending"


def test_a_configured_authorization_header_wins_over_the_key(cloud, make_recorder):
    """Deployments with a placeholder key carry the real one in ROBOFLOW_API_EXTRA_HEADERS."""
    headers = json.dumps({"Authorization": f"Bearer {OTHER_KEY}", "X-Site": "north"})
    recorder = make_recorder(cloud, api_extra_headers=headers, api_key="placeholder")
    assert recorder.record(use_case="uc", wait_for="delivery").status == "delivered"
    assert cloud.requests[0].headers["X-Site"] == "north"


def test_requests_go_through_a_secure_gateway(cloud, make_recorder):
    """The gateway gets the whole address in its query, as the inference server writes it."""
    recorder = make_recorder(
        api_key=KEY,
        api_base_url="https://api.roboflow.com",
        secure_gateway=cloud.url,
        delivery_timeout_seconds=2,
    )
    recorder.record(use_case="uc")
    wait_until(lambda: cloud.requests)
    assert cloud.requests[0].path == "/proxy?url=https%3A%2F%2Fapi.roboflow.com%2Fvision-events"


def test_no_key_reaches_the_disk_a_log_or_a_message(cloud, make_recorder, tmp_path, caplog):
    """Even when the server repeats it in its answer."""
    caplog.set_level(logging.DEBUG)
    cloud.fault = lambda r: Fault(status=400, body=json.dumps({"error": f"bad key {r.key}"}))
    recorder = make_recorder(cloud)
    receipt = recorder.record(use_case="uc", wait_for="delivery")
    cloud.stop()
    recorder.record(use_case="uc")
    wait_until(lambda: any(circuit.failures for circuit in recorder.store.queue.routes().values()))
    recorder.close()
    assert "bad key ***" in receipt.message
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in caplog.text + receipt.message + repr(recorder.settings) + repr(recorder._keyring)
    assert all(KEY not in request.path for request in cloud.requests)


@pytest.mark.parametrize(
    "answer",
    [
        Fault(status=200, body="<html>Please log in</html>"),
        Fault(status=404, body="<h1>nginx</h1>", headers={"Content-Type": "text/html"}),
        Fault(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        Fault(status=529),
    ],
)
def test_an_answer_that_is_not_the_api_s_counts_as_no_delivery(cloud, make_recorder, answer):
    """A login page, a wrong proxy, a redirect: the event stays, and goes later."""
    first = iter([answer, answer])
    cloud.fault = lambda r: next(first, None)
    recorder = make_recorder(cloud)
    event_id = recorder.record(use_case="uc").event_id
    wait_until(lambda: event_id in cloud.ids)


def test_a_plain_500_for_one_event_does_not_hold_up_the_others(cloud, make_recorder):
    """After some failed attempts an event travels alone."""
    cloud.fault = lambda r: Fault(status=500) if b'"poison"' in r.body else None
    away = make_recorder(cloud, backup=False)
    away.record(use_case="uc", device_id="poison")
    good = [away.record(use_case="uc").event_id for _ in range(5)]
    away.close()
    recorder = make_recorder(cloud)
    recorder.resume()
    wait_until(lambda: set(good) <= cloud.ids, 40)


def test_retry_after_is_honoured_as_a_floor(cloud, make_recorder):
    """The server's wish is kept in the circuit, where every process sees it."""
    first = iter([Fault(status=429, headers={"Retry-After": "120"})])
    cloud.fault = lambda r: next(first, None)
    recorder = make_recorder(cloud)
    recorder.record(use_case="uc")
    wait_until(lambda: any(c.failures for c in recorder.store.queue.routes().values()))
    import time

    (circuit,) = recorder.store.queue.routes().values()
    assert circuit.open_until - time.time() > 110
    assert len(cloud.requests) == 1


def test_two_recorders_on_one_store_share_the_work(cloud, make_recorder):
    """Leases: no event is sent twice, no image uploaded twice."""
    recorders = [make_recorder(cloud) for _ in range(3)]
    ids = [r.record(use_case="uc", image=a_frame(number)).event_id for number in range(30) for r in recorders]
    wait_until(lambda: cloud.ids == set(ids))
    for recorder in recorders:
        assert recorder.flush(20)
    assert sorted(cloud.writes) == sorted(ids)
    assert cloud.count("/vision-events/upload") == 30


def test_backup_off_keeps_everything_on_the_device(cloud, make_recorder):
    """VISION_EVENTS_BACKUP=false."""
    recorder = make_recorder(cloud, backup=False)
    receipt = recorder.record(use_case="uc", wait_for="delivery")
    assert "backup is off" in receipt.message
    assert recorder.flush(1)
    assert not cloud.requests


def test_the_route_of_an_event_names_no_key(cloud, make_recorder):
    """The store knows a credential by its fingerprint."""
    recorder = make_recorder(cloud, backup=False)
    recorder.record(use_case="uc")
    (route,) = recorder.store.queue.routes()
    assert isinstance(route, Route)
    assert KEY not in route.credential
    assert len(route.credential) == 16


def test_cloud_is_where_the_settings_say(cloud: Link, make_recorder):
    """API_BASE_URL moves all of it."""
    recorder = make_recorder(cloud)
    recorder.record(use_case="uc", image=a_frame(3), wait_for="delivery")
    assert [request.path for request in cloud.requests] == ["/vision-events/upload", "/vision-events"]


def test_over_a_slow_link_events_are_created_while_later_images_are_on_their_way(
    cloud, make_recorder, monkeypatch
):
    """The first of a backlog need not wait for the last."""
    monkeypatch.setattr("vision_event_block.backup.cloud._POST_EVERY", 0.2)
    away = make_recorder(cloud, backup=False)
    ids = record_many(away, 12)
    away.close()
    cloud.fault = lambda request: Fault(delay=0.15) if request.path == "/vision-events/upload" else None
    recorder = make_recorder(cloud, uploads=1)
    recorder.resume()
    wait_until(lambda: cloud.ids == set(ids))
    paths = [request.path for request in cloud.requests]
    assert "/vision-events/upload" in paths[next(i for i, path in enumerate(paths) if "upload" not in path) :]
    assert cloud.writes == ids


def test_a_recorder_that_was_closed_refuses_and_says_so(make_recorder):
    """Its events would wait for nobody knows what."""
    recorder = make_recorder()
    recorder.record(use_case="uc")
    recorder.close()
    receipt = recorder.record(use_case="uc")
    assert (receipt.status, receipt.event_id) == ("refused", "")
    assert "closed" in receipt.message
