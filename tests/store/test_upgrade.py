"""Stores of earlier releases are opened, and lose nothing on the way."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.store.conftest import an_event
from vision_event_block.errors import StoreUnavailable
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore, database

DUMPS = sorted(Path(__file__).parent.glob("version_*.sql"))


@pytest.fixture(params=DUMPS, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file as that release left it."""
    with sqlite3.connect(tmp_path / "events.db") as connection:
        # The API takes no event of more than a year ago.
        today = datetime.now(timezone.utc).date().isoformat()
        connection.executescript(request.param.read_text().replace("2026-11-24", today))
    return tmp_path / "events.db"


def test_there_is_a_store_of_every_schema_version():
    """Whoever adds a version adds the store that it comes from."""
    assert len(DUMPS) == len(database.schema_steps())


def test_a_store_of_an_earlier_release_goes_on(old, make_recorder, cloud):
    """Pending is delivered, rejected and delivered are as they were, images are whole, the accounts add up."""
    recorder = make_recorder(cloud, store=str(old))
    states = {event.id: event.state for event in recorder.store.catalog.events()}
    assert sorted(states.values()) == ["delivered", "pending", "pending", "rejected"]
    recorder.resume()
    wait_until(lambda: recorder.store.counts().pending == 0)
    assert cloud.ids == {event_id for event_id, state in states.items() if state == "pending"}
    counts = recorder.store.counts()
    assert (counts.recorded, counts.delivered, counts.rejected) == (4, 3, 1)
    assert recorder.record(use_case="uc").event_id


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(old, monkeypatch):
    """All steps are one transaction; the release before can still use it."""
    steps = [*database.schema_steps(), "CREATE TABLE more (x); CREATE TABLE event (x);"]
    store = SQLiteEventStore(old, Quota(10**9))
    with monkeypatch.context() as newer:
        newer.setattr(database, "schema_steps", lambda: steps)
        with pytest.raises(StoreUnavailable):
            store.record([an_event(1)])
    store.record([an_event(2)])
    assert len(store.catalog.events()) == 5
    store.close()


def test_an_upgrade_is_made_once_by_whoever_opens_first(old, monkeypatch):
    """And the next one finds it done."""
    steps = [*database.schema_steps(), "ALTER TABLE event ADD COLUMN more TEXT;"]
    monkeypatch.setattr(database, "schema_steps", lambda: steps)
    for number in range(2):
        store = SQLiteEventStore(old, Quota(10**9))
        store.record([an_event(number)])
        store.close()
    with sqlite3.connect(old) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
