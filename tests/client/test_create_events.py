"""Any number of events: batches of 100, and a failure told for each event that has one."""

from __future__ import annotations

import json

import pytest

from tests.client.conftest import an_event
from tests.link import Fault
from vision_event_block.errors import AuthenticationError, NetworkError, PayloadRejected, UseCaseNotFound


def _sizes(cloud) -> list[int]:
    return [len(json.loads(request.body).get("events", [0])) for request in cloud.requests]


def test_they_travel_in_batches_of_a_hundred(client, cloud):
    """Also those of a generator."""
    ids = [f"e{n}" for n in range(250)]
    report = client.create_events(an_event(event_id=name) for name in ids)
    assert (report.created, report.failed) == (ids, {})
    assert _sizes(cloud) == [100, 100, 50]
    assert cloud.ids == set(ids)


def test_none_is_no_request(client, cloud):
    """And no error."""
    assert client.create_events([]).created == []
    assert cloud.requests == []


def test_the_one_that_is_refused_is_found_and_the_others_are_created(client, cloud):
    """With the words of the server."""
    events = [an_event(event_id=f"e{n}").to_wire() for n in range(100)]
    events[41]["eventType"] = "party"
    report = client.create_events(events)
    assert list(report.failed) == ["e41"]
    assert isinstance(report.failed["e41"], PayloadRejected)
    assert "eventType" in str(report.failed["e41"])
    assert set(report.created) == cloud.ids == {f"e{n}" for n in range(100)} - {"e41"}
    assert len(report.created) == 99


def test_an_unknown_use_case_fails_its_own_events_only(client, cloud):
    """Events of another use case in the same hundred get through in one batch."""
    events = [an_event(event_id=f"e{n}", use_case_id="uc" if n % 2 else "nowhere") for n in range(8)]
    report = client.create_events(events)
    assert sorted(report.failed) == ["e0", "e2", "e4", "e6"]
    assert all(isinstance(error, UseCaseNotFound) for error in report.failed.values())
    assert sorted(report.created) == ["e1", "e3", "e5", "e7"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault(status=401), AuthenticationError), (Fault(drop=True, after=True), NetworkError)],
)
def test_what_is_no_fault_of_an_event_ends_it_and_fails_the_rest(make_client, cloud, fault, kind):
    """The second hundred hits it; nothing is tried after that, and every event is accounted for."""
    cloud.fault = lambda request: fault if request.number >= 1 else None
    report = make_client(retries=0).create_events(an_event(event_id=f"e{n}") for n in range(250))
    assert report.created == [f"e{n}" for n in range(100)]
    assert list(report.failed) == [f"e{n}" for n in range(100, 250)]
    assert {type(error) for error in report.failed.values()} == {kind}
    assert len(cloud.requests) == 2


def test_those_that_a_batch_does_not_vouch_for_are_sent_alone(client, cloud):
    """An answer that counts fewer than were sent is no confirmation."""
    cloud.fault = lambda request: (
        Fault(status=201, body='{"created": 1}') if request.path.endswith("/batch") else None
    )
    report = client.create_events([an_event(event_id=f"e{n}") for n in range(3)])
    assert report.created == ["e0", "e1", "e2"]
    assert cloud.count("/vision-events") == 3


def test_one_request_takes_a_hundred_at_most(client):
    """And says which call takes more."""
    with pytest.raises(ValueError, match=r"not 101: create_events\(\)"):
        client.create_batch([an_event()] * 101)
