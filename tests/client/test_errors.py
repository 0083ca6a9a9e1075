"""Errors of the client: told apart, in the words of the server, without the key."""

from __future__ import annotations

import json
import time
import traceback
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from tests.client.conftest import an_event
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
    UseCaseNotFound,
)
from vision_event_block.settings import Settings
from vision_event_block.transport import retry_after


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PayloadRejected), (404, PayloadRejected), (409, PayloadRejected), (413, PayloadRejected),
        (422, PayloadRejected), (401, AuthenticationError), (402, AuthenticationError), (403, AuthenticationError),
        (429, RateLimited), (408, ServerError), (425, ServerError), (500, ServerError), (503, ServerError),
        (529, ServerError), (302, ServerError),
    ],
)  # fmt: skip
def test_each_status_is_an_error_of_its_own_with_the_words_of_the_server(make_client, cloud, status, kind):
    """With status, body and request."""
    cloud.fault = lambda request: Fault(
        status=status, body='{"error": "so it is"}', headers={"Retry-After": "7"}
    )
    with pytest.raises(ApiError) as raised:
        make_client(retries=0).create_event(an_event())
    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.body, raised.value.retry_after) == (status, "so it is", 7.0)
    assert raised.value.request == "POST /vision-events"


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(drop=True, after=True), Fault(delay=5)])
def test_no_answer_is_a_network_error(make_client, cloud, fault):
    """Whether or not the request was processed."""
    cloud.fault = lambda request: fault
    with pytest.raises(NetworkError, match="POST /vision-events got no answer") as raised:
        make_client(timeout=(1, 0.3), retries=0).create_event(an_event())
    assert (raised.value.request, raised.value.was_sent) == ("POST /vision-events", True)


def test_a_place_where_nobody_listens_is_named(client, cloud):
    """Without the wrapping of the HTTP library."""
    cloud.stop()
    with pytest.raises(NetworkError) as raised:
        client.create_event(an_event())
    assert str(raised.value) == f"POST /vision-events got no answer from {cloud.url}: Connection refused"
    assert raised.value.__cause__ is None
    assert raised.value.was_sent is False


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


def test_the_key_is_in_no_traceback_and_no_log(client, cloud, caplog):
    """Not even in the variables that a crash reporter collects from the frames of the error."""
    caplog.set_level("DEBUG")
    cloud.fault = lambda request: Fault(status=400)
    with pytest.raises(PayloadRejected) as raised:
        client.create_event(an_event())
    text = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert KEY not in text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.create_event(an_event(use_case_id="nowhere")),
        lambda client: client.query("nowhere"),
        lambda client: client.rename_use_case("nowhere", "x"),
        lambda client: client.archive_use_case("nowhere"),
        lambda client: client.custom_metadata_schema("nowhere"),
        lambda client: client.image_metadata_schema("no/where"),
    ],
)
def test_an_unknown_use_case_has_an_error_of_its_own(client, ask):
    """Which is also a PayloadRejected, for those who do not care."""
    with pytest.raises(UseCaseNotFound) as raised:
        ask(client)
    assert isinstance(raised.value, PayloadRejected)
    assert raised.value.status == 404


@pytest.mark.parametrize(
    ("status", "body", "is_it"),
    [
        (400, "Use case not found", True), (400, "useCaseId: unknown use case", True),
        (422, "The solution 'x' does not exist", True), (400, "timestamp: not found in use case data", False),
        (400, "eventType is wrong", False), (409, "unknown use case", False),
    ],
)  # fmt: skip
def test_an_unknown_use_case_is_understood_in_other_words_too(client, cloud, status, body, is_it):
    """The contract does not say how the cloud says it."""
    cloud.fault = lambda request: Fault(status=status, body=json.dumps({"error": body}))
    with pytest.raises(PayloadRejected) as raised:
        client.create_event(an_event())
    assert isinstance(raised.value, UseCaseNotFound) is is_it


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
