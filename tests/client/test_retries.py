"""Requests are repeated where that cannot do anything twice, and only there."""

from __future__ import annotations

import pytest

from tests.client.conftest import an_event
from tests.conftest import a_frame
from tests.link import Fault
from vision_event_block.bundle import Bundle
from vision_event_block.client import client as client_module
from vision_event_block.errors import (
    AuthenticationError,
    NetworkError,
    PayloadRejected,
    RateLimited,
    ServerError,
)

REPEATABLE = {
    "create_event": lambda client: client.create_event(an_event()),
    "create_batch": lambda client: client.create_batch([an_event()]),
    "query": lambda client: client.query("uc"),
    "list_use_cases": lambda client: client.list_use_cases(),
    "delete_events": lambda client: client.delete_events("uc", ["x"]),
}
ONCE = {
    "upload_image": lambda client: client.upload_image(a_frame(0)),
    "create_use_case": lambda client: client.create_use_case("new"),
    "upload_bundle": lambda client: client.upload_bundle(Bundle(an_event(), {})),
}


def _first(*faults: Fault):
    return lambda request: faults[request.number] if request.number < len(faults) else None


@pytest.mark.parametrize("ask", REPEATABLE.values(), ids=REPEATABLE)
@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(drop=True, after=True), Fault(status=502)])
def test_what_can_do_nothing_twice_is_repeated(client, cloud, ask, fault):
    """Whether or not the first was processed."""
    cloud.fault = _first(fault, fault)
    ask(client)
    assert len(cloud.requests) == 3


@pytest.mark.parametrize("ask", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault(drop=True, after=True), NetworkError), (Fault(status=500), ServerError)]
)
def test_what_may_have_been_done_is_not_repeated(client, cloud, ask, fault, kind):
    """It could be there twice."""
    cloud.fault = _first(fault)
    with pytest.raises(kind):
        ask(client)
    assert len(cloud.requests) == 1


@pytest.mark.parametrize("ask", ONCE.values(), ids=ONCE)
@pytest.mark.parametrize("status", [429, 503, 529])
def test_what_was_not_taken_up_is_repeated(client, cloud, ask, status):
    """The server says that it did nothing."""
    cloud.fault = _first(Fault(status=status))
    ask(client)
    assert len(cloud.requests) == 2


def test_what_was_never_sent_is_repeated(client, cloud, monkeypatch):
    """Even an upload: there was no connection."""
    cloud.stop()
    monkeypatch.setattr(client_module, "backoff", lambda failures, asked: cloud.start() or 0.0)
    assert client.upload_image(a_frame(0)).source_id in cloud.images


@pytest.mark.parametrize(
    ("status", "kind"), [(400, PayloadRejected), (401, AuthenticationError), (403, AuthenticationError)]
)
def test_what_was_refused_is_not_repeated(client, cloud, status, kind):
    """It would be refused again."""
    cloud.fault = lambda request: Fault(status=status)
    with pytest.raises(kind):
        client.query("uc")
    assert len(cloud.requests) == 1


def test_it_gives_up_after_so_many(make_client, cloud):
    """The error is that of the last attempt."""
    cloud.fault = lambda request: Fault(status=503, body=f'{{"error": "no {request.number}"}}')
    with pytest.raises(ServerError, match="no 2"):
        make_client(retries=2).query("uc")
    assert len(cloud.requests) == 3


def test_it_waits_as_long_as_it_was_asked_to(client, cloud, monkeypatch):
    """And does not sit out a pause that nobody at a terminal would."""
    asked = []
    monkeypatch.setattr(client_module, "backoff", lambda failures, seconds: asked.append(seconds) or 0.0)
    cloud.fault = _first(Fault(status=429, headers={"Retry-After": "3"}))
    client.query("uc")
    assert asked == [3.0]
    cloud.fault = lambda request: Fault(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimited):
        client.query("uc")
    assert asked == [3.0]
