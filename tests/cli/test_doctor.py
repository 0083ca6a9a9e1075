"""`vision-events doctor`: each fault it knows, made for real."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import time
from email.utils import formatdate

import pytest

from tests.link import Fault

HAS_ENGINE = importlib.util.find_spec("roboflow_workflows") is not None


def _found(done) -> dict[str, tuple[str, str, str]]:
    return {
        finding["check"]: (finding["level"], finding["message"], finding["advice"]) for finding in done.json
    }


def test_all_is_well(command, recorded, online):
    """Nothing but a shell that does not start a server, or starts one."""
    recorded()
    done = command("doctor", "--json", WORKFLOWS_PLUGINS="vision_event_block", **online)
    assert done.returncode == 0
    found = _found(done)
    assert {level for level, _, _ in found.values()} <= ({"ok"} if HAS_ENGINE else {"ok", "warning"})
    assert "can be written and is sound: 1 event" in found["event store"][1]
    assert set(found) >= {"version", "plugin", "event store", "room", "destination", "clock", "key"}
    if HAS_ENGINE:
        assert "loads vision_event_block/vision_event@v1" in found["plugin"][1]


def test_it_tells_people_what_to_do(command, recorded):
    """Under what is wrong."""
    recorded()
    done = command("doctor", "--quick", API_BASE_URL="http://127.0.0.1:9", ROBOFLOW_API_KEY="k")
    assert done.returncode == 1
    assert "-> Check the network" in done.stdout


def test_it_changes_and_sends_nothing(command, recorded, cloud, online):
    """An empty batch, and nothing delivered."""
    recorded()
    before = command("list", "--json").stdout
    command("doctor", VISION_EVENTS_EXIT_FLUSH_SECONDS="3", **online)
    assert command("list", "--json").stdout == before
    assert {request.path.partition("?")[0] for request in cloud.requests} == {
        "/", "/vision-events/batch", "/vision-events/use-cases",
    }  # fmt: skip
    assert cloud.ids == set()


def test_a_network_that_is_gone(command, cloud, online):
    """With the address."""
    cloud.stop()
    level, message, _ = _found(command("doctor", "--quick", "--json", **online))["destination"]
    assert level == "problem"
    assert cloud.url in message


def test_a_missing_key(command, cloud):
    """Events wait for one; that is no fault where each Workflow run brings its own."""
    level, _, advice = _found(command("doctor", "--quick", "--json", API_BASE_URL=cloud.url))["key"]
    assert level == "warning"
    assert "ROBOFLOW_API_KEY" in advice


@pytest.mark.parametrize(
    ("status", "level"), [(401, "problem"), (403, "problem"), (400, "ok"), (422, "ok"), (500, "warning")]
)
def test_a_key_that_may_not_write(command, cloud, online, status, level):
    """A server that looks at an empty batch has let the key pass."""
    cloud.fault = lambda request: Fault(status=status) if request.path.endswith("/batch") else None
    assert _found(command("doctor", "--quick", "--json", **online))["key"][0] == level


def test_a_key_that_may_write_and_not_read(command, cloud, online):
    """Enough for the backup."""
    cloud.fault = lambda request: Fault(status=403) if "use-cases" in request.path else None
    done = command("doctor", "--quick", "--json", **online)
    assert done.returncode == 0
    level, message, advice = _found(done)["key"]
    assert level == "warning"
    assert "may write, not read" in message
    assert "vision-events:read" in advice


@pytest.mark.parametrize(("off", "level"), [(-3600, "warning"), (7200, "warning"), (90_000, "problem")])
def test_a_clock_that_is_wrong(command, cloud, online, off, level):
    """Events of tomorrow are refused."""
    header = {"Date": formatdate(time.time() + off, usegmt=True)}
    cloud.fault = lambda request: Fault(status=200, headers=header) if request.path == "/" else None
    found = _found(command("doctor", "--quick", "--json", **online))["clock"]
    assert found[0] == level
    assert ("ahead of" if off < 0 else "behind") in found[1]


def test_a_damaged_store(command, recorded, store_path, online):
    """Found before the event that lies there is needed."""
    recorded(200)
    with sqlite3.connect(store_path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with store_path.open("r+b") as file:
        file.seek(5 * 4096 + 100)
        file.write(os.urandom(8192))
    done = command("doctor", "--json", **online)
    level, _, advice = _found(done)["event store"]
    assert (done.returncode, level) == (1, "problem")
    assert advice


def test_a_store_that_may_not_be_written(command, tmp_path, online):
    """A file where a folder should be."""
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "events.db")
    level, _, advice = _found(command("doctor", "--quick", "--json", VISION_EVENTS_STORE=place, **online))[
        "event store"
    ]
    assert level == "problem"
    assert "VISION_EVENTS_STORE" in advice


def test_what_was_rejected_and_what_waits_for_long(command, recorded, store_path, online, cloud):
    """With the command that helps."""
    recorded(1, use_case="nowhere")
    command("sync", **online)
    recorded(1)
    with sqlite3.connect(store_path) as connection:
        connection.execute("UPDATE event SET recorded_at = recorded_at - 7200")
    found = _found(command("doctor", "--quick", "--json", **online))
    assert "vision-events retry --all" in found["rejected"][2]
    assert "vision-events sync" in found["pending"][2]


def test_a_folder_as_the_destination(command, tmp_path):
    """Writable or not."""
    good = command("doctor", "--quick", "--json", VISION_EVENTS_DESTINATION=f"file://{tmp_path}/outbox")
    assert _found(good)["destination"][0] == "ok"
    (tmp_path / "file").write_text("")
    bad = command("doctor", "--quick", "--json", VISION_EVENTS_DESTINATION=f"file://{tmp_path}/file/outbox")
    assert _found(bad)["destination"][0] == "problem"


def test_an_event_store_as_the_destination(command, cloud):
    """Its key is tried like that of the cloud."""
    place = {"VISION_EVENTS_DESTINATION": cloud.site.url}
    assert (
        _found(command("doctor", "--quick", "--json", EVENT_INGESTION_API_KEY="wrong", **place))["key"][0]
        == "problem"
    )
    assert (
        _found(
            command(
                "doctor",
                "--quick",
                "--json",
                EVENT_INGESTION_API_KEY="rf_key_of_the_plant_0123456789",
                **place,
            )
        )["key"][0]
        == "ok"
    )
