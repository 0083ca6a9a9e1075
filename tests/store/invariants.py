"""What is always true of an event store, whatever happened to it: the one place where it is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from vision_event_block.store.interface import EventStore


def check_store(store: EventStore, known: Mapping[str, str], images: Mapping[str, bytes]) -> None:
    """Asserts all of it.

    Args:
        known: The state that each event in the store must have, by id.
        images: The content of every image that an event in the store shows, by SHA-256.
    """
    listed = {event.id: event for event in store.catalog.events(limit=10_000)}
    # Nothing is lost, nothing comes from nowhere, and everybody says the same of an event.
    assert {event_id: event.state for event_id, event in listed.items()} == dict(known)
    assert all(store.state(event_id)[0] == state for event_id, state in known.items())
    # The accounts add up, and agree with what is there.
    counts = store.counts()
    assert counts.recorded == counts.pending + counts.delivered + counts.rejected + counts.dropped
    assert counts.kept == len(known)
    assert counts.pending == sum(state == "pending" for state in known.values())
    assert counts.rejected == sum(state == "rejected" for state in known.values())
    assert counts.delivered >= sum(state == "delivered" for state in known.values())
    # Every image of an event is there, to the byte.
    shown = {sha256 for event in listed.values() for sha256 in event.images.values()}
    assert shown == set(images)
    for sha256, content in images.items():
        assert store.image(sha256).data == content
        assert hashlib.sha256(content).hexdigest() == sha256
    # A route is told exactly if something is pending on it.
    pending = {event.route for event in listed.values() if event.state == "pending"}
    assert set(store.queue.routes()) == pending
    assert {route for route in pending if store.queue.next_due(route) is None} == set()
