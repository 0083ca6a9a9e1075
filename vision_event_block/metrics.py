"""Prometheus metrics, read from the event store when they are asked for.

They count what happened to the store, so every process on it answers the same numbers: sum them over
devices, not over processes. Names follow https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vision_event_block.errors import StoreError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from vision_event_block.store.interface import EventStore

logger = logging.getLogger("vision_event_block")

_COUNTERS = {
    "recorded": "Vision Events written to the event store.",
    "delivered": "Vision Events that their destination confirmed.",
    "rejected": "Vision Events that their destination refused and that are set aside now.",
    "dropped": "Vision Events that a person removed before they were delivered.",
}
# A rejected event may be retried, so its number can fall.
_GAUGES = ("rejected",)


class EventStoreMetrics:
    """A Prometheus collector over one event store, which is asked for when it is needed."""

    def __init__(self, find_store: Callable[[], EventStore]) -> None:
        self._find_store = find_store

    def describe(self) -> Iterator[Metric]:
        """Nothing: asking would open the store when the collector is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment; none while the store cannot be read."""
        try:
            yield from list(_metrics(self._find_store()))
        except (StoreError, ValueError) as error:
            # A host asks for the metrics of all its parts at once; ours must not take them down.
            logger.warning("Metrics of the event store are missing: %s", error)


def _metrics(store: EventStore) -> Iterator[Metric]:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    counts = store.counts()
    for name, text in _COUNTERS.items():
        family = GaugeMetricFamily if name in _GAUGES else CounterMetricFamily
        yield family(f"vision_events_{name}", text, value=getattr(counts, name))
    refused = CounterMetricFamily(
        "vision_events_refused", "Vision Events that were not recorded.", labels=["reason"]
    )
    for reason, number in counts.refused.items():
        refused.add_metric([reason], number)
    yield refused
    age = 0.0 if counts.oldest_pending is None else max(time.time() - counts.oldest_pending, 0.0)
    for name, text, value in (
        ("pending", "Vision Events that wait to be delivered.", counts.pending),
        ("kept", "Vision Events in the event store.", counts.kept),
        ("store_bytes", "Room that events and images take in the event store.", counts.bytes),
        ("store_quota_bytes", "Largest size of the event store.", store.quota.bytes),
        ("oldest_pending_age_seconds", "Age of the oldest pending Vision Event.", age),
        ("backup_on", "Whether backup is switched on.", int(store.backup_switch().is_on)),
    ):
        yield GaugeMetricFamily(f"vision_events_{name}", text, value=value)
    latencies = store.latencies()
    buckets, below = [], 0
    for bound, number in sorted(latencies.counts.items()):
        below += number
        buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
    yield HistogramMetricFamily(
        "vision_events_delivery_seconds",
        "Time from recorded to confirmed by the destination.",
        buckets=buckets,
        sum_value=latencies.total,
    )


def register(find_store: Callable[[], EventStore], registry: CollectorRegistry) -> None:
    """Adds the metrics of a store to a registry."""
    registry.register(EventStoreMetrics(find_store))


def register_with_host(find_store: Callable[[], EventStore]) -> None:
    """Adds the metrics to those that this process shows, if it shows any, such as an inference server's."""
    host = sys.modules.get("prometheus_client")
    if host is not None:
        register(find_store, host.REGISTRY)
