"""The Event Store API of a device."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.conftest import moment
from tests.service.conftest import BOX, Api, a_jpeg, device_event
from tests.site import KEY


def test_an_event_comes_in_with_its_image_and_can_be_read(api, site):
    """Snake case out; the file as it was sent."""
    sent = device_event(custom_metadata={"shift": "B"}, displayImagePosition=0, device_id="d1")
    sent["images"][0] |= {"objectDetections": [BOX]}
    answer = api.post("/v2/events", json=sent)
    assert answer.status_code == 201
    (event,) = api.get("/v2/events/latest/query?limit=5").json()["events"]
    assert event["id"] == answer.json()["id"]
    assert event["solution"] == "uc"
    assert event["event_schema"] == "inventory_count"
    assert event["event_data"] == {"itemCount": 14, "itemType": "crate"}
    assert event["custom_metadata"] == {"shift": "B"}
    assert event["display_image_position"] == 0
    assert moment(event["inference_timestamp"]) == moment(sent["inference_timestamp"])
    (image,) = event["images"]
    assert image["object_detections"] == [
        {"class_name": "dent", **{k: v for k, v in BOX.items() if k != "class"}}
    ]
    assert api.get(image["image_url"].removeprefix(api.url)).content == a_jpeg(0)
    assert api.get(f"/v2/events/{event['id']}").json() == event


def test_camel_case_is_taken_too(api, site):
    """The documentation says so, and the stock blocks mix both."""
    sent = device_event()
    camel = {
        "inferenceTimestamp": sent["inference_timestamp"],
        "eventSchema": "custom",
        "eventData": {"value": "x"},
        "workflowId": "w",
        "customMetadata": {"a": 1},
    }
    event_id = api.post("/v2/events", json=camel).json()["id"]
    assert site.events[event_id]["workflowId"] == "w"
    assert site.events[event_id]["useCaseId"] == "unassigned"


def test_the_same_event_under_the_same_key_is_kept_once(api, site):
    """A producer whose answer was lost sends it again."""
    sent = device_event()
    ids = {
        api.post("/v2/events", json=sent, headers={"Idempotency-Key": "key-1"}).json()["id"] for _ in range(3)
    }
    assert ids == {"key-1"}
    assert site.store.counts().recorded == 1


def test_another_event_under_a_used_key_is_refused(api, site):
    """The first stays as it was."""
    api.post("/v2/events", json=device_event(1), headers={"Idempotency-Key": "key-1"})
    before = site.events
    answer = api.post("/v2/events", json=device_event(2), headers={"Idempotency-Key": "key-1"})
    assert answer.status_code == 422
    assert "was used for another event" in answer.json()["detail"]
    assert site.events == before


@pytest.mark.parametrize("key", ["", "k" * 257, "two words"])
def test_an_impossible_key_is_refused(api, key):
    """It becomes the id of the event."""
    assert api.post("/v2/events", json=device_event(), headers={"Idempotency-Key": key}).status_code == 422


def test_what_the_cloud_has_no_field_for_becomes_metadata(api, site):
    """Nothing that a producer sent is lost."""
    event_id = api.post("/v2/events", json=device_event(None, workflow_version="7", image_id="i9")).json()[
        "id"
    ]
    assert site.events[event_id]["customMetadata"] == {"workflow_version": "7", "image_id": "i9"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"event_schema": "defect"}, "event_schema"),
        ({"event_data": {"result": "pass"}}, "result"),
        ({"event_data": None}, "event_data"),
        ({"inference_timestamp": "2019-01-01T00:00:00Z"}, "a year ago"),
        ({"draft": True}, "draft"),
        ({"surprise": 1}, "surprise"),
        ({"images": [{"base64Image": "not base64!"}]}, "no base64"),
        ({"images": [{"base64Image": base64.b64encode(b"no image").decode()}]}, "no image that can be read"),
        ({"images": [{"base64Image": base64.b64encode(b"<svg/>").decode()}]}, "no image that can be read"),
        ({"images": [{"base64Image": ""}]}, "images[0]"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_a_422_with_a_detail_and_nothing_is_kept(api, site, wrong, words):
    """Which the stock blocks show on their outputs."""
    answer = api.post("/v2/events", json=device_event(None, **wrong))
    assert answer.status_code == 422
    assert words in json.dumps(answer.json()["detail"])
    assert site.store.counts().recorded == 0
    assert site.store.counts().bytes < 300_000


def test_a_detail_does_not_repeat_a_whole_image(api):
    """A log or an output of a step would hold it."""
    sent = device_event(None, images=[{"base64Image": ["x" * 100_000]}])
    assert len(api.post("/v2/events", json=sent).text) < 500


def test_events_are_found_by_time_state_type_class_and_device(api):
    """And paged."""
    now = datetime.now(timezone.utc)
    for number in range(4):
        sent = device_event(
            number,
            inference_timestamp=(now - timedelta(hours=number)).isoformat(),
            device_id=f"d{number % 2}",
        )
        sent["images"][0]["objectDetections"] = [{**BOX, "class": "ab"[number // 2]}]
        api.post("/v2/events", json=sent, headers={"Idempotency-Key": f"n{number}"})

    def ids(**asked: str) -> list[str]:
        return [event["id"] for event in api.get("/v2/events/query", params=asked).json()["events"]]

    assert ids() == ["n0", "n1", "n2", "n3"]
    assert ids(start_time=(now - timedelta(hours=2, minutes=1)).isoformat(), end_time=now.isoformat()) == [
        "n1",
        "n2",
    ]
    assert ids(class_name="b") == ["n2", "n3"]
    assert ids(device_id="d1") == ["n1", "n3"]
    assert ids(state="pending") == []
    page = api.get("/v2/events/query", params={"limit": 3}).json()
    assert [e["id"] for e in api.get(f"/v2/events/query?cursor={page['next_cursor']}").json()["events"]] == [
        "n3"
    ]
    assert api.get("/v2/events/query?cursor=nonsense").status_code == 422
    assert api.get("/v2/events/query?limit=0").status_code == 422


def test_an_event_can_be_removed(api, site):
    """For good."""
    event_id = api.post("/v2/events", json=device_event()).json()["id"]
    assert api.delete(f"/v2/events/{event_id}").status_code == 204
    assert api.delete(f"/v2/events/{event_id}").status_code == 404
    assert site.events == {}


@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2fetc%2fpasswd", "a.jpg", "%00", "x" * 3000])
def test_an_image_that_is_not_there_is_a_404(api, name):
    """Whatever its name tries to say."""
    assert api.get(f"/v2/images/{name}").status_code == 404
    assert api.get(f"/thumbnails/{name}").status_code == 404


def test_the_schemas_of_event_data_are_told(api):
    """By event schema."""
    schemas = api.get("/v2/event-schemas").json()
    assert set(schemas["quality_check"]["properties"]) == {"result", "externalId"}


def test_at_capacity_new_events_are_answered_529_and_pending_ones_stay(make_site):
    """With a detail that the stock blocks show; nothing delivered is left to go."""
    site = make_site(destination="cloud", max_records=3)
    api = Api(site)
    for number in range(3):
        assert api.post("/v2/events", json=device_event(number)).status_code == 201
    before = set(site.events)
    answer = api.post("/v2/events", json=device_event(9))
    assert answer.status_code == 529
    assert "is full (3 events" in answer.json()["detail"]
    assert answer.headers["Retry-After"] == "30"
    assert set(site.events) == before
    assert Api(site).get("/v2/status").json()["counts"]["refused"] == {"full": 1}


def test_what_is_delivered_makes_room_for_what_is_new(make_site):
    """A store that is its own destination keeps the latest."""
    site = make_site(max_records=150)
    api = Api(site)
    for number in range(160):
        sent = device_event(None, device_id=str(number))
        assert api.post("/v2/events", json=sent, headers={"Idempotency-Key": f"n{number}"}).status_code == 201
    assert len(site.events) <= 150
    assert "n159" in site.events
    assert "n0" not in site.events


def test_the_switch_holds_backup_back_and_lets_it_go(api, site):
    """And says how things are."""
    assert api.put("/v2/admin/backup", json={"on": False}).json()["backup"] == "off"
    assert api.get("/v2/status").json()["backup_message"].startswith("Backup is switched off")
    assert api.put("/v2/admin/backup", json={"on": True}).json()["backup"] == "here"


def test_health_needs_no_key_and_everything_else_does(make_site):
    """As the vendor's service has it."""
    import requests

    site = make_site(server_keys=KEY)
    assert requests.get(f"{site.url}/health", timeout=5).json() == {"status": "ok"}
    for path in ("/v2/status", "/v2/events/latest/query", "/metrics", "/docs", "/openapi.json", "/redoc"):
        assert requests.get(site.url + path, timeout=5).status_code == 401, path
