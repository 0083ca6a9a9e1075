"""The cloud's API: what its documentation says, and what it says to wrong requests."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import datetime, timedelta, timezone

import pytest

from tests.conftest import moment
from tests.service.conftest import BOX, a_jpeg, cloud_event

JSON = {"Content-Type": "application/json"}


def test_upload_then_create_then_query(api):
    """What was written is what is read, source ids included."""
    source = api.upload(a_jpeg(), name="frame-7", metadata='{"lens": "wide", "gain": 2}').json()
    assert source["success"] is True
    event = cloud_event(
        eventType="quality_check",
        eventData={"result": "fail", "externalId": "lot-88/17"},
        images=[{"inputSourceId": source["sourceId"], "label": "workflow", "objectDetections": [BOX]}],
        displayImagePosition=0,
        customMetadata={"shift": "B", "torque_nm": 4.2, "rework": False},
        deviceId="press-4",
    )
    answer = api.post("/vision-events", json=event)
    assert (answer.status_code, answer.json()) == (201, {"eventId": "e1", "created": True})
    found = api.post("/vision-events/query", json={"useCaseId": "uc"}).json()
    assert found["hasMore"] is False
    assert found["lookbackDays"] == 7
    (read,) = found["events"]
    assert moment(read.pop("timestamp")) == moment(event.pop("timestamp"))
    assert read == event
    assert api.get(source["url"].removeprefix(api.url)).content == a_jpeg()


def test_an_event_that_comes_again_under_its_id_replaces_the_first(api, site):
    """As the documentation says; the images of the first go with it."""
    first, second = (api.upload(a_jpeg(seed)).json()["sourceId"] for seed in (1, 2))
    api.post("/vision-events", json=cloud_event(images=[{"sourceId": first}], eventData={"value": "first"}))
    answer = api.post(
        "/vision-events", json=cloud_event(images=[{"sourceId": second}], eventData={"value": "second"})
    )
    assert (answer.status_code, answer.json()["created"]) == (201, False)
    assert site.events["e1"]["eventData"] == {"value": "second"}
    assert site.events["e1"]["images"] == [{"sourceId": second}]
    assert site.store.counts().recorded == site.store.counts().delivered == 1


def test_the_same_bytes_are_the_same_image(api):
    """An upload whose answer was lost leaves no orphan when it is repeated."""
    assert api.upload(a_jpeg(3)).json()["sourceId"] == api.upload(a_jpeg(3)).json()["sourceId"]


def test_a_batch_is_taken_whole_or_not_at_all(api, site):
    """And says which of its events is wrong, where, and how."""
    good = [cloud_event(f"b{number}") for number in range(3)]
    answer = api.post("/vision-events/batch", json={"events": good})
    assert (answer.status_code, answer.json()) == (201, {"created": 3, "eventIds": ["b0", "b1", "b2"]})
    wrong = [cloud_event("c0"), cloud_event("c1", eventType="quality_check", eventData={"result": "maybe"})]
    answer = api.post("/vision-events/batch", json={"events": wrong})
    assert answer.status_code == 400
    assert "events[1]" in answer.json()["error"]
    assert "'maybe'" in answer.json()["error"]
    missing = [cloud_event("d0"), cloud_event("d1", images=[{"sourceId": "nowhere"}])]
    assert api.post("/vision-events/batch", json={"events": missing}).status_code == 400
    assert set(site.events) == {"b0", "b1", "b2"}


def test_a_batch_of_more_than_a_hundred_is_refused(api):
    """The documented limit."""
    events = [cloud_event(str(number)) for number in range(101)]
    assert api.post("/vision-events/batch", json={"events": events}).status_code == 400


def a_bundle(payload: object, files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        first = {} if payload is None else {"payload.json": json.dumps(payload).encode()}
        for name, data in {**first, **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["w:gz", "w:"])
def test_a_bundle_is_an_event_with_its_images_in_one_request(api, site, mode):
    """Gzipped or plain; the use case of the query wins."""
    payload = cloud_event(
        "z1", useCaseId="uc", bundleFormatVersion=1, images=[{"file": "images/a.jpg", "label": "workflow"}]
    )
    bundle = a_bundle(payload, {"images/a.jpg": a_jpeg(4), "video/later.mp4": b"unknown"}, mode)
    answer = api.post("/vision-events/bundle?useCaseId=uc-2", data=bundle)
    assert (answer.status_code, answer.json()) == (201, {"eventId": "z1", "created": True})
    event = site.events["z1"]
    assert event["useCaseId"] == "uc-2"
    assert site.store.image(event["images"][0]["sourceId"]).data == a_jpeg(4)
    assert api.post("/vision-events/bundle?useCaseId=uc-2", data=bundle).json()["created"] is False


def a_sparse_bundle() -> bytes:
    """A few bytes that claim to be a file of a terabyte."""
    member = tarfile.TarInfo("payload.json")
    member.type, member.size = tarfile.GNUTYPE_SPARSE, 0
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"17777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


@pytest.mark.parametrize(
    ("bundle", "word"),
    [
        (b"", "tar"),
        (b"no archive at all" * 100, "tar"),
        (b"\x1f\x8b broken", "gzip"),
        (a_bundle(None, {"images/a.jpg": a_jpeg()}), "payload.json"),
        (a_bundle(cloud_event(images=[{"file": "../../etc/passwd"}]), {}), "../../etc/passwd"),
        (a_bundle(cloud_event(images=[{"file": "i/a.jpg"}]), {"i/a.jpg": b"no image"}), "no image"),
        (a_bundle(cloud_event(eventType="defect"), {}), "eventType"),
        (a_bundle(cloud_event(bundleFormatVersion=2), {}), "bundleFormatVersion"),
        (a_bundle({"useCaseId": "uc"}, {}), "eventType"),
        (a_bundle([1, 2], {}), "object"),
        (a_sparse_bundle(), ""),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_a_wrong_bundle_is_a_400_that_says_what_is_wrong(api, site, bundle, word):
    """And nothing of it is kept."""
    answer = api.post("/vision-events/bundle", data=bundle)
    assert answer.status_code == 400
    assert word in answer.json()["error"]
    assert site.events == {}


def test_a_bundle_that_unpacks_to_gigabytes_is_refused(api):
    """A gzip bomb of a few megabytes."""
    import gzip

    bomb = gzip.compress(bytes(300_000_000), 1)
    assert len(bomb) < 26_214_400
    answer = api.post("/vision-events/bundle", data=bomb)
    assert answer.status_code == 400
    assert "unpacks to more" in answer.json()["error"]


def test_a_bundle_over_the_documented_limit_is_a_413(api):
    """25 MiB."""
    assert api.post("/vision-events/bundle", data=bytes(26_214_401)).status_code == 413


def _fill(api):
    now = datetime.now(timezone.utc)
    for number in range(6):
        event = cloud_event(
            f"q{number}",
            eventType="quality_check" if number % 2 else "custom",
            eventData={"result": "fail"} if number % 2 else {"value": f"v{number}", "externalId": "lot"},
            timestamp=(now - timedelta(minutes=number)).isoformat(),
            deviceId=f"d{number % 3}",
            customMetadata={"torque": number + 0.5, "shift": "AB"[number % 2], "rework": number == 3},
        )
        assert api.post("/vision-events", json=event).status_code == 201
    return now


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, "012345"),
        ({"eventType": "custom"}, "024"),
        ({"eventTypes": ["custom", "quality_check"]}, "012345"),
        ({"deviceId": {"operator": "eq", "value": "d1"}}, "14"),
        ({"deviceId": {"operator": "neq", "value": "d1"}}, "0235"),
        ({"externalId": {"operator": "eq", "value": "lot"}}, "024"),
        ({"customMetadataFilters": [{"field": "torque", "operator": "gt", "value": 3, "type": "number"}]}, "345"),
        ({"customMetadataFilters": [{"field": "torque", "operator": "lte", "value": "1.5", "type": "number"}]}, "01"),
        ({"customMetadataFilters": [{"field": "rework", "operator": "eq", "value": True, "type": "boolean"}]}, "3"),
        ({"customMetadataFilters": [{"field": "rework", "operator": "neq", "value": True}]}, "01245"),
        ({"customMetadataFilters": [{"field": "shift", "operator": "eq", "value": "A"}]}, "024"),
        ({"customMetadataFilters": [{"field": "none", "operator": "eq", "value": "A"}]}, ""),
        ({"eventFieldFilters": [{"column": "result", "operator": "eq", "value": "fail"}]}, "135"),
        ({"eventFieldFilters": [{"column": "value", "operator": "contains", "value": "V2"}]}, "2"),
    ],
)  # fmt: skip
def test_a_query_filters(api, asked, ids):
    """Newest first."""
    _fill(api)
    found = api.post("/vision-events/query", json={"useCaseId": "uc", **asked}).json()
    assert [event["eventId"] for event in found["events"]] == [f"q{number}" for number in ids]


def test_a_query_takes_a_time_range_and_pages_through_it(api):
    """Both ends are included; the cursor neither skips nor repeats."""
    now = _fill(api)
    asked = {
        "useCaseId": "uc",
        "startTime": (now - timedelta(minutes=4)).isoformat(),
        "endTime": (now - timedelta(minutes=1)).isoformat(),
        "limit": 3,
    }
    page = api.post("/vision-events/query", json=asked).json()
    assert ([event["eventId"] for event in page["events"]], page["hasMore"]) == (["q1", "q2", "q3"], True)
    page = api.post("/vision-events/query", json={**asked, "cursor": page["nextCursor"]}).json()
    assert ([event["eventId"] for event in page["events"]], page["hasMore"]) == (["q4"], False)
    assert page["nextCursor"] is None


def test_deleted_events_are_gone_and_the_missing_are_named(api, site):
    """With the images that nobody else shows, after the time in which an upload is kept."""
    _fill(api)
    answer = api.post("/vision-events/delete", json={"useCaseId": "uc", "eventIds": ["q1", "q2", "nope"]})
    assert answer.json() == {"deleted": 2, "notFound": ["nope"]}
    assert set(site.events) == {"q0", "q3", "q4", "q5"}
    other = api.post("/vision-events/delete", json={"useCaseId": "uc-2", "eventIds": ["q0"]})
    assert other.json() == {"deleted": 0, "notFound": ["q0"]}


def test_use_cases_are_created_renamed_archived_and_restored(api):
    """With the documented statuses."""
    created = api.post("/vision-events/use-cases", json={"name": "Lid check"})
    assert (created.status_code, created.json()["id"], created.json()["name"]) == (
        201,
        "lid-check",
        "Lid check",
    )
    assert api.post("/vision-events/use-cases", json={"name": "lid CHECK"}).status_code == 409
    assert api.put("/vision-events/use-cases/lid-check", json={"name": "Lids"}).json()["name"] == "Lids"
    assert api.put("/vision-events/use-cases/nope", json={"name": "Other"}).status_code == 404
    assert api.post("/vision-events/use-cases/lid-check/unarchive").status_code == 400
    assert api.post("/vision-events/use-cases/lid-check/archive").json() == {"success": True}
    assert api.post("/vision-events/use-cases/nope/archive").status_code == 404

    def names(status: str) -> list[str]:
        found = api.get(f"/vision-events/use-cases?status={status}").json()
        return [use_case["name"] for use_case in found["useCases"]]

    assert (names("active"), names("inactive")) == (["uc", "uc-2"], ["Lids"])
    assert api.post("/vision-events/use-cases/lid-check/unarchive").json() == {"success": True}
    assert names("active") == ["uc", "uc-2", "Lids"]


def test_metadata_schemas_tell_the_types_of_every_key(api):
    """A key may have several."""
    source = api.upload(a_jpeg(), metadata='{"lens": "wide", "gain": 2}').json()["sourceId"]
    api.post("/vision-events", json=cloud_event("m1", customMetadata={"a": 1, "b": "x", "c": True}))
    api.post(
        "/vision-events", json=cloud_event("m2", customMetadata={"a": "one"}, images=[{"sourceId": source}])
    )
    fields = api.get("/vision-events/custom-metadata-schema/uc").json()["fields"]
    assert {key: sorted(value["types"]) for key, value in fields.items()} == {
        "a": ["number", "string"],
        "b": ["string"],
        "c": ["boolean"],
    }
    fields = api.get("/vision-events/image-metadata-schema/uc").json()["fields"]
    assert fields == {"gain": {"types": ["number"]}, "lens": {"types": ["string"]}}
    assert api.get("/vision-events/custom-metadata-schema/nope").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"useCaseId": "no-such"}, 404, "'no-such' does not exist"),
        ({"eventType": "defect"}, 400, "eventType"),
        ({"timestamp": "yesterday"}, 400, "'yesterday'"),
        ({"timestamp": "2020-01-01T00:00:00Z"}, 400, "a year ago"),
        ({"timestamp": "2026-11-23T00:00:00"}, 400, "timezone"),
        ({"eventData": {"result": "pass"}}, 400, "result"),
        ({"customMetadata": {"a/b": 1}}, 400, "customMetadata"),
        ({"customMetadata": {"a": None}}, 400, "customMetadata"),
        ({"customMetadata": {f"k{number}": 1 for number in range(101)}}, 400, "100"),
        ({"customMetadata": {"a": "x" * 1001}}, 400, "1000"),
        ({"deviceId": "d" * 257}, 400, "deviceId"),
        ({"eventId": ""}, 400, "eventId"),
        ({"images": [{"sourceId": "../../etc/passwd"}]}, 400, "../../etc/passwd"),
        ({"images": [{"objectDetections": [{**BOX, "confidence": 1.5}]}]}, 400, "images[0].objectDetections[0].confidence"),
        ({"images": [{"instanceSegmentations": [{**BOX, "points": [[1, 2]]}]}]}, 400, "points"),
        ({"images": [{"objectDetections": [BOX] * 1001}]}, 400, "1000"),
        ({"displayImagePosition": 3, "images": []}, 400, "displayImagePosition"),
        ({"surprise": 1}, 400, "surprise"),
        ({"deviceId": "\ud800"}, 400, "deviceId"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_refused_with_the_value_and_nothing_is_kept(api, site, wrong, status, words):
    """In the error body of the cloud's API."""
    answer = api.post("/vision-events", data=json.dumps(cloud_event(**wrong)), headers=JSON)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert words in answer.json()["error"]
    assert site.store.counts().recorded == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"eventId": NaN}', b"{}" * 3],
    ids=repr,
)
def test_what_is_no_event_is_a_400(api, body):
    """Whatever it is."""
    answer = api.post("/vision-events", data=body, headers=JSON)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


def test_json_under_another_name_is_refused_with_what_to_do(api):
    """As `curl -d` sends it; a form of another site could send it, too."""
    answer = api.post("/vision-events", data=json.dumps(cloud_event()))
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]


def test_a_route_that_does_not_exist_is_a_404_of_the_api(api):
    """Which our own client does not mistake for a proxy's."""
    answer = api.post("/vision-events/nothing", json={})
    assert (answer.status_code, set(answer.json())) == (404, {"error"})
    assert api.get("/vision-events").status_code == 405
