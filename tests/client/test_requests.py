"""Every request of the API, against the real service."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.client.conftest import an_event
from tests.conftest import a_frame
from vision_event_block.bundle import Bundle, pack_bundle
from vision_event_block.errors import InvalidEvent
from vision_event_block.event import ObjectDetection
from vision_event_block.event_query import Comparison, DataComparison, MetadataComparison
from vision_event_block.images import encode_jpeg
from vision_event_block.settings import Settings

JPEG = encode_jpeg(a_frame(0), 85)
BOX = ObjectDetection(**{"class": "dent"}, x=30, y=25, width=20, height=10, confidence=0.8)


def _decoded(cloud, source_id: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(cloud.images[source_id], np.uint8), cv2.IMREAD_COLOR)


def test_a_file_is_uploaded_as_it_is(client, cloud, tmp_path):
    """By its path or by its bytes."""
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG.data)
    for given in (path, str(path), JPEG.data, JPEG):
        source = client.upload_image(given).source_id
        assert cloud.images[source] == JPEG.data


def test_a_file_is_uploaded_under_its_own_type(client, cloud, tmp_path):
    """Whatever the end of its name says."""
    path = tmp_path / "a.jpg"
    Image.fromarray(a_frame(0)).save(path, "PNG")
    source = client.upload_image(path).source_id
    assert cloud.site.store.image(source).content_type == "image/png"
    assert b"Content-Type: image/png" in cloud.requests[0].body


def test_pixels_keep_their_colours(client, cloud):
    """BGR arrays as OpenCV reads them, RGB images as Pillow has them, gray ones."""
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[..., 2] = 250  # red
    for given in (
        frame,
        Image.fromarray(frame[..., ::-1]),
        Image.fromarray(frame[..., ::-1]).convert("RGBA"),
    ):
        pixels = _decoded(cloud, client.upload_image(given).source_id)
        assert np.abs(pixels.astype(int) - frame).max() < 10
    gray = client.upload_image(np.full((32, 48), 128, np.uint8)).source_id
    assert _decoded(cloud, gray).shape == (32, 48, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"no image", "no image that can be read"), (np.zeros(3), "of shape"), (None, "NoneType"),
        (np.zeros((0, 5, 3), np.uint8), "of shape"), (7, "int"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_not_sent(client, cloud, given, words):
    """And the message says what to give."""
    with pytest.raises(InvalidEvent, match=words):
        client.upload_image(given)
    assert cloud.requests == []


def test_a_file_that_is_no_image_or_not_there_is_named(client, tmp_path):
    """Among thousands one must know which."""
    path = tmp_path / "notes.txt"
    path.write_text("x")
    with pytest.raises(InvalidEvent, match=r"notes\.txt"):
        client.upload_image(path)
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        client.upload_image(tmp_path / "gone.jpg")


def test_name_and_metadata_travel_with_an_image(client, cloud):
    """And come back in the schema of the images."""
    image = client.upload_image(JPEG.data, name="frame-7", metadata={"lens": "wide", "gain": 2})
    client.create_event(an_event(images=[{"sourceId": image.source_id}]))
    assert cloud.site.store.image(image.source_id).name == "frame-7"
    schema = client.image_metadata_schema("uc")
    assert {key: known.types for key, known in schema.fields.items()} == {
        "lens": ["string"],
        "gain": ["number"],
    }


def test_upload_and_create_are_one_call(client, cloud):
    """The original under the annotations, the picture to show, the data of the event."""
    event = an_event(
        event_type="quality_check", event_data={"result": "fail"}, images=[{"objectDetections": [BOX]}]
    )
    answer = client.send(JPEG.data, event, output_image=a_frame(1), name="frame")
    assert (answer.event_id, answer.created) == (event.event_id, True)
    body = cloud.events[event.event_id]
    (image,) = body["images"]
    assert cloud.images[image["inputSourceId"]] == JPEG.data
    assert image["sourceId"] != image["inputSourceId"]
    assert image["objectDetections"] == [BOX.model_dump(by_alias=True)]
    assert (body["eventData"], body["displayImagePosition"]) == ({"result": "fail"}, 0)


def test_an_event_without_images_gets_one_when_it_is_sent_with_one(client, cloud):
    """The documented two steps in the shortest form; the event given stays as it is."""
    event = an_event()
    client.send(JPEG.data, event)
    assert list(cloud.events[event.event_id]["images"][0]) == ["inputSourceId"]
    assert event.images == []


def test_an_event_created_again_is_replaced(client, cloud):
    """Under its id."""
    event = an_event(event_data={"value": "first"})
    assert client.create_event(event).created is True
    assert client.create_event(event.model_copy(update={"event_data": {"value": "second"}})).created is False
    assert cloud.events[event.event_id]["eventData"] == {"value": "second"}


def test_a_bundle_is_one_request(client, cloud):
    """With the images in it; a use case given beside it wins."""
    event = an_event(images=[{"label": "shelf", "objectDetections": [BOX]}])
    bundle = Bundle(event, {(0, "input"): JPEG})
    assert client.upload_bundle(bundle).event_id == event.event_id
    assert client.upload_bundle(pack_bundle(bundle), use_case_id="uc-2").created is False
    assert [request.path for request in cloud.requests] == [
        "/vision-events/bundle", "/vision-events/bundle?useCaseId=uc-2",
    ]  # fmt: skip
    body = cloud.events[event.event_id]
    assert body["useCaseId"] == "uc-2"
    assert cloud.site.store.image(body["images"][0]["inputSourceId"]).data == JPEG.data


def test_events_are_found_page_by_page(client, cloud):
    """Newest first, each once, asked for as they are read."""
    start = datetime.now(timezone.utc) - timedelta(hours=1)
    ids = [f"e{n}" for n in range(7)]
    client.create_events(
        an_event(event_id=name, timestamp=start + timedelta(seconds=n)) for n, name in enumerate(ids)
    )
    page = client.query("uc", limit=3)
    assert [event.event_id for event in page.events] == ["e6", "e5", "e4"]
    assert (page.has_more, page.lookback_days) == (True, 7)
    assert [event.event_id for event in client.events("uc", page_size=3)] == ids[::-1]
    before = len(cloud.requests)
    assert next(client.events("uc", page_size=2)).event_id == "e6"
    assert len(cloud.requests) == before + 1


def test_a_found_event_is_the_one_that_was_written(client):
    """Every field of it, as typed values."""
    event = an_event(
        event_type="inventory_count", event_data={"itemCount": 3, "externalId": "lot-1"}, device_id="press-4",
        stream_id="left", workflow_id="w", custom_metadata={"shift": "B", "torque": 4.2, "rework": False},
        images=[{"label": "shelf", "objectDetections": [BOX]}], comment="seen",
    )  # fmt: skip
    client.send(JPEG.data, event)
    (found,) = client.events("uc")
    assert found.timestamp == event.timestamp
    assert found.event_data == event.event_data
    assert found.custom_metadata == event.custom_metadata
    assert (found.device_id, found.stream_id, found.workflow_id) == ("press-4", "left", "w")
    (image,) = found.images
    (box,) = image.object_detections
    assert box.model_dump(exclude_none=True) == BOX.model_dump()
    assert image.input_source_id


FILTERS = [
    {"event_types": ["quality_check"]},
    {"start_time": datetime.now(timezone.utc) - timedelta(minutes=30)},
    {"device_id": "press-4"},
    {"device_id": Comparison(operator="neq", value="press-5")},
    {"stream_id": "left"},
    {"workflow_id": "lids"},
    {"external_id": "lot-88/17"},
    {"custom_metadata_filters": [MetadataComparison(field="torque", operator="gt", value=4, type="number")]},
    {"image_metadata_filters": [MetadataComparison(field="gain", operator="gte", value=2)]},
    {"event_field_filters": [DataComparison(column="result", operator="eq", value="fail")]},
]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda filters: next(iter(filters)))
def test_every_filter_finds_what_it_asks_for(client, filters):
    """And leaves out the event that differs in just this."""
    now = datetime.now(timezone.utc)
    wanted = an_event(
        event_type="quality_check", event_data={"result": "fail", "externalId": "lot-88/17"}, device_id="press-4",
        stream_id="left", workflow_id="lids", custom_metadata={"torque": 4.2}, timestamp=now,
    )  # fmt: skip
    other = an_event(
        event_data={"value": "x"}, device_id="press-5", stream_id="right", workflow_id="caps",
        custom_metadata={"torque": 3.9}, timestamp=now - timedelta(hours=1),
    )  # fmt: skip
    client.send(JPEG.data, wanted, metadata={"gain": 2})
    client.send(a_frame(3), other, metadata={"gain": 1})
    assert [event.event_id for event in client.events("uc", **filters)] == [wanted.event_id]


def test_an_end_of_time_is_the_last_moment_that_counts(client):
    """As people mean it."""
    moment = datetime.now(timezone.utc) - timedelta(minutes=5)
    client.create_events([an_event(event_id="e1", timestamp=moment), an_event(event_id="e2")])
    assert [event.event_id for event in client.events("uc", end_time=moment)] == ["e1"]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"event_types": ["quality"]}, "event_type"), ({"start_time": datetime(2026, 1, 1)}, "timezone"),
        ({"limit": 0}, "limit"), ({"colour": "red"}, "colour"),
        ({"event_field_filters": [{"column": "colour", "value": "red"}]}, "column"),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_refused_before_anything_is_sent(client, cloud, filters, words):
    """With its name."""
    with pytest.raises(ValidationError, match=words):
        client.query("uc", **filters)
    assert cloud.requests == []


def test_any_number_of_events_is_deleted(client, cloud):
    """A thousand in a request, and what was not there is told."""
    client.create_events(an_event(event_id=f"e{n}") for n in range(3))
    answer = client.delete_events("uc", [*(f"e{n}" for n in range(2)), *(f"x{n}" for n in range(1000))])
    assert (answer.deleted, len(answer.not_found)) == (2, 1000)
    assert cloud.ids == {"e2"}
    assert cloud.count("/vision-events/delete") == 2


def test_the_life_of_a_use_case(client):
    """Made, renamed, archived, brought back."""
    made = client.create_use_case("Lid check")
    assert (made.id, made.name, made.status) == ("lid-check", "Lid check", "active")
    assert client.rename_use_case(made.id, "Lids").name == "Lids"
    client.archive_use_case(made.id)
    assert [case.id for case in client.list_use_cases("inactive")] == [made.id]
    client.unarchive_use_case(made.id)
    assert made.id in [case.id for case in client.list_use_cases()]


def test_the_metadata_of_a_use_case_are_told_with_their_types(client):
    """All that a key ever had."""
    client.create_events(
        [an_event(custom_metadata={"a": 1, "b": True}), an_event(custom_metadata={"a": "x"})]
    )
    fields = client.custom_metadata_schema("uc").fields
    assert {key: sorted(known.types) for key, known in fields.items()} == {
        "a": ["number", "string"],
        "b": ["boolean"],
    }


def test_connections_are_kept(client, cloud):
    """The stock block opens a new one for every request."""
    for _ in range(10):
        client.create_event(an_event())
    assert cloud.connections == 1


def test_another_place_than_the_cloud(make_client, cloud):
    """Such as the Event Store of a site."""
    client = make_client(base_url=cloud.site.url + "/")
    client.create_event(an_event(event_id="direct"))
    assert cloud.requests == []
    assert "direct" in cloud.ids
    assert repr(client) == f"VisionEventsClient('{cloud.site.url}')"


def test_requests_go_through_the_gateway_with_their_query(cloud):
    """As one address inside another."""
    from vision_event_block.client import VisionEventsClient

    settings = Settings(api_base_url="https://api.example", secure_gateway=cloud.url, api_key="k")
    with pytest.raises(Exception), VisionEventsClient(settings=settings, retries=0) as client:  # noqa: B017
        client.list_use_cases("inactive")
    assert cloud.requests[0].path == (
        "/proxy?url=https%3A%2F%2Fapi.example%2Fvision-events%2Fuse-cases%3Fstatus%3Dinactive"
    )


def test_the_proxy_of_the_environment_is_used_and_its_exceptions_are_respected(cloud, monkeypatch):
    """As requests reads them; the first request of a client decides."""
    from vision_event_block.client import VisionEventsClient

    monkeypatch.setenv("HTTP_PROXY", cloud.url)
    monkeypatch.setenv("http_proxy", cloud.url)
    for base_url in ("http://api.example", "http://api.example"):
        with pytest.raises(Exception), VisionEventsClient("k", base_url=base_url, retries=0) as client:  # noqa: B017
            client.list_use_cases()
        monkeypatch.setenv("NO_PROXY", "api.example")
        monkeypatch.setenv("no_proxy", "api.example")
    assert [request.path for request in cloud.requests] == [
        "http://api.example/vision-events/use-cases?status=active"
    ]
