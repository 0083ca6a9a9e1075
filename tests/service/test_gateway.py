"""From device to site to cloud: services that back up into each other, over networks that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import a_frame, wait_until
from tests.link import Fault, Link
from tests.service.conftest import Api, cloud_event, device_event
from tests.site import KEY, Site


@pytest.fixture
def site_link(tmp_path: Path) -> Iterator[Link]:
    link = Link.to_new_site(tmp_path / "the-site")
    yield link
    link.close()


@pytest.mark.parametrize(
    "towards",
    [
        lambda url: {"destination": url, "event_store_key": KEY},
        lambda url: {"destination": "cloud", "api_base_url": url, "api_key": KEY},
    ],
    ids=["over the device API", "over the cloud API"],
)
def test_a_device_backs_up_to_a_site_through_a_cut_of_the_network(
    make_site: Callable[..., Site], site_link: Link, towards: Callable[[str], dict[str, Any]]
):
    """Nothing is lost, nothing is there twice, and both show the same events with the same images."""
    device = make_site("device", **towards(site_link.url))
    api = Api(device)
    ids = [api.post("/v2/events", json=device_event(number)).json()["id"] for number in range(5)]
    wait_until(lambda: set(ids) <= site_link.ids)
    site_link.stop()
    ids += [api.post("/v2/events", json=device_event(number)).json()["id"] for number in range(5, 10)]
    wait_until(lambda: any(circuit.failures for circuit in device.store.queue.routes().values()))
    status = api.get("/v2/status").json()
    assert (status["backup"], status["counts"]["pending"]) == ("waiting", 5)
    assert "got no answer" in status["backup_message"]
    site_link.start()
    wait_until(lambda: device.store.counts().pending == 0, 40)
    assert device.events == site_link.events
    assert set(device.events) == set(ids)
    for event in site_link.events.values():
        source = event["images"][0]["sourceId"]
        assert device.store.image(source).data == site_link.site.store.image(source).data


def test_a_chain_of_three_delivers_each_event_once(make_site, make_recorder, tmp_path):
    """A step records on a device, a site gateway takes it, and backs it up to the cloud."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    gateway = make_site("gateway", destination="cloud", api_base_url=cloud.url, api_key=KEY)
    to_gateway = Link(gateway)
    losses = iter([True, False, True, True, False])
    cloud.fault = lambda request: Fault(drop=True, after=True) if next(losses, False) else None
    recorder = make_recorder(to_gateway)
    ids = [
        recorder.record(use_case="uc", image=a_frame(number), output_image=a_frame(number + 50)).event_id
        for number in range(12)
    ]
    wait_until(lambda: cloud.ids == set(ids), 40)
    assert cloud.events == gateway.events
    assert recorder.store.counts().recorded == gateway.store.counts().recorded == 12
    to_gateway.stop()
    cloud.close()


def test_a_replaced_event_is_backed_up_again_also_while_its_first_is_on_its_way(make_site, tmp_path):
    """What replaces it is what arrives in the end."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    gateway = make_site("gateway", destination="cloud", api_base_url=cloud.url, api_key=KEY)
    api = Api(gateway)
    cloud.fault = lambda request: Fault(delay=0.3)
    api.post("/vision-events", json=cloud_event("r1", eventData={"value": "first"}))
    wait_until(lambda: cloud.requests)
    api.post("/vision-events", json=cloud_event("r1", eventData={"value": "second"}))
    wait_until(lambda: cloud.events.get("r1", {}).get("eventData") == {"value": "second"})
    wait_until(lambda: gateway.store.counts().pending == 0)
    counts = gateway.store.counts()
    assert (counts.recorded, counts.delivered, counts.pending) == (1, 1, 0)
    cloud.close()


def test_a_rejected_event_is_retried_by_a_person_and_arrives(make_site, tmp_path):
    """The use case was missing at the destination; then it was created."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    gateway = make_site("gateway", destination="cloud", api_base_url=cloud.url, api_key=KEY)
    api = Api(gateway)
    event_id = api.post("/v2/events", json=device_event(1, solution="new-line")).json()["id"]
    wait_until(lambda: gateway.store.counts().rejected == 1)
    event = api.get(f"/v2/events/{event_id}").json()
    assert event["state"] == "rejected"
    assert "'new-line' does not exist" in event["reason"]
    cloud.site.store.use_cases.add("new line")
    assert api.post("/v2/admin/retry", json={"event_id": event_id}).json() == {"events": 1}
    wait_until(lambda: event_id in cloud.ids)
    wait_until(lambda: gateway.store.counts().delivered == 1)
    history = [step.what for step in gateway.store.catalog.history(event_id)]
    assert history == ["rejected", "retried", "delivered"]
    counts = gateway.store.counts()
    assert counts.recorded == counts.pending + counts.delivered + counts.rejected + counts.dropped
    cloud.close()


def test_the_switch_stops_every_process_and_backup_resumes_when_it_is_turned(
    make_site, make_recorder, tmp_path
):
    """The step's own process as well: the switch is in the store."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    service = make_site(
        "device", store=str(tmp_path / "events.db"), destination="cloud", api_base_url=cloud.url, api_key=KEY
    )
    api = Api(service)
    assert api.put("/v2/admin/backup", json={"on": False}).json()["backup"] == "off"
    recorder = make_recorder(cloud)
    receipt = recorder.record(use_case="uc", image=a_frame(1), wait_for="delivery")
    assert "switched off" in receipt.message
    assert recorder.flush(1)
    api.post("/v2/events", json=device_event(2))
    assert cloud.requests == []
    assert api.put("/v2/admin/backup", json={"on": True}).json()["is_switched_on"] is True
    wait_until(lambda: len(cloud.ids) == 2)
    cloud.close()
