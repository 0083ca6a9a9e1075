"""Prometheus metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import a_frame, wait_until
from tests.link import Link
from tests.service.conftest import Api, device_event
from tests.site import KEY
from vision_event_block.metrics import EventStoreMetrics
from vision_event_block.store.sqlite import SQLiteEventStore


def _samples(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_add_up(make_site, tmp_path):
    """Recorded, delivered, rejected, refused, pending, age, bytes, and how long delivery took."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    site = make_site(destination="cloud", api_base_url=cloud.url, api_key=KEY, max_records=4)
    api = Api(site)
    for number in range(2):
        api.post("/v2/events", json=device_event(number))
    wait_until(lambda: site.store.counts().delivered == 2)
    api.post("/v2/events", json=device_event(2, solution="nope"))
    wait_until(lambda: site.store.counts().rejected == 1)
    api.put("/v2/admin/backup", json={"on": False})
    for number in range(5):
        api.post("/v2/events", json=device_event(number + 10))
    found = _samples(api.get("/metrics").text)
    assert found["vision_events_recorded_total"] == 6
    assert found["vision_events_delivered_total"] == 2
    assert found["vision_events_rejected"] == 1
    assert found["vision_events_pending"] == 3
    assert found["vision_events_refused_total[full]"] == 2
    assert found["vision_events_backup_on"] == 0
    assert 0 < found["vision_events_oldest_pending_age_seconds"] < 60
    assert 0 < found["vision_events_store_bytes"] < found["vision_events_store_quota_bytes"]
    assert found["vision_events_delivery_seconds_count"] == 2
    assert found["vision_events_delivery_seconds_bucket[60.0]"] == 2
    assert 0 < found["vision_events_delivery_seconds_sum"] < 60
    cloud.close()


def test_every_process_on_a_store_answers_the_same_numbers(site, api, tmp_path, make_recorder):
    """They are kept in the store, and outlive the process that made them."""
    recorder = make_recorder(store=str(tmp_path / "site.db"), destination="here")
    recorder.record(use_case="uc", image=a_frame(1))
    recorder.record(use_case="")
    recorder.close()
    found = _samples(api.get("/metrics").text)
    assert found["vision_events_recorded_total"] == 1
    assert found["vision_events_refused_total[invalid]"] == 1


def test_a_store_that_cannot_be_read_takes_no_other_metrics_down(tmp_path, caplog):
    """The registry is shared with the inference server."""
    (tmp_path / "a file").write_text("")
    from vision_event_block.store.model import Quota

    metrics = EventStoreMetrics(lambda: SQLiteEventStore(tmp_path / "a file" / "events.db", Quota(10**9)))
    assert list(metrics.collect()) == []
    assert "Metrics of the event store are missing" in caplog.text
