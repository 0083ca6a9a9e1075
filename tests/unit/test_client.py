"""The client speaks the contract and tells errors apart."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from tests.conftest import a_frame
from tests.link import Fault
from tests.site import KEY
from vision_event_block.client import VisionEventsClient
from vision_event_block.errors import (
    ApiError,
    AuthenticationError,
    NetworkError,
    PayloadRejected,
    RateLimited,
    ServerError,
)
from vision_event_block.event import VisionEvent
from vision_event_block.images import encode_jpeg
from vision_event_block.settings import Settings
from vision_event_block.transport import retry_after

JPEG = encode_jpeg(a_frame(0), 85).data


@pytest.fixture
def client(cloud):
    with VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url)) as client:
        yield client


def an_event(**more):
    return VisionEvent(event_type="custom", use_case_id="uc", timestamp=datetime.now(timezone.utc), **more)


def test_upload_then_create(client, cloud):
    """The two documented steps."""
    image = client.upload_image(JPEG)
    event = an_event(images=[{"inputSourceId": image.source_id}])
    assert client.create_event(event).event_id == event.event_id
    assert cloud.images[image.source_id] == JPEG
    assert cloud.events[event.event_id]["images"] == [{"inputSourceId": image.source_id}]


def test_a_batch_names_what_it_created(client):
    """And has at most 100 events."""
    events = [an_event() for _ in range(3)]
    answer = client.create_events(events)
    assert (answer.created, answer.event_ids) == (3, [event.event_id for event in events])
    with pytest.raises(ValueError, match="100"):
        client.create_events([an_event()] * 101)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PayloadRejected), (404, PayloadRejected), (409, PayloadRejected), (413, PayloadRejected),
        (422, PayloadRejected), (401, AuthenticationError), (402, AuthenticationError), (403, AuthenticationError),
        (429, RateLimited), (408, ServerError), (425, ServerError), (500, ServerError), (503, ServerError),
        (529, ServerError), (302, ServerError),
    ],
)  # fmt: skip
def test_each_status_is_an_error_of_its_own_with_the_words_of_the_server(client, cloud, status, kind):
    """With status, body and request."""
    cloud.fault = lambda request: Fault(
        status=status, body='{"error": "so it is"}', headers={"Retry-After": "7"}
    )
    with pytest.raises(ApiError) as raised:
        client.create_event(an_event())
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.body, raised.value.retry_after) == (status, "so it is", 7.0)
    assert raised.value.request == "POST /vision-events"


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(drop=True, after=True), Fault(delay=5)])
def test_no_answer_is_a_network_error(cloud, fault):
    """Whether or not the request was processed."""
    cloud.fault = lambda request: fault
    client = VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url), timeout=(1, 0.3))
    with pytest.raises(NetworkError, match="POST /vision-events got no answer"):
        client.create_event(an_event())


def test_a_place_where_nobody_listens_is_named(cloud):
    """Without the wrapping of the HTTP library."""
    cloud.stop()
    client = VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url))
    with pytest.raises(NetworkError) as raised:
        client.create_event(an_event())
    assert str(raised.value) == f"POST /vision-events got no answer from {cloud.url}: Connection refused"
    assert raised.value.__cause__ is None


def test_connections_are_kept(client, cloud):
    """The stock block opens a new one for every request."""
    for _ in range(10):
        client.create_event(an_event())
    assert cloud.connections == 1


def test_a_netrc_does_not_replace_the_key(cloud, tmp_path, monkeypatch):
    """The HTTP library would use it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url)).create_event(an_event())
    assert cloud.requests[0].key == KEY


def test_the_key_is_in_no_repr_and_no_error(cloud):
    """Even where a server repeats the whole header."""
    cloud.fault = lambda request: Fault(status=400, body=f'{{"error": "got Bearer {KEY}"}}')
    client = VisionEventsClient(KEY, settings=Settings(api_base_url=cloud.url, api_key=KEY))
    with pytest.raises(PayloadRejected) as raised:
        client.create_event(an_event())
    assert KEY not in repr(client) + str(raised.value) + repr(raised.value) + str(vars(raised.value))


def test_without_any_key_there_is_no_client():
    """It says where to put one."""
    with pytest.raises(ValueError, match="ROBOFLOW_API_KEY"):
        VisionEventsClient()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), (None, None), ("", None), ("soon", None), ("nan", None)],
)
def test_retry_after_in_seconds(header, seconds):
    """Garbage is no wish."""
    assert retry_after(header) == seconds


def test_retry_after_as_a_date():
    """As RFC 9110 allows."""
    later = format_datetime(
        datetime.fromtimestamp(time.time(), timezone.utc) + timedelta(seconds=60), usegmt=True
    )
    assert 55 < retry_after(later) <= 60
