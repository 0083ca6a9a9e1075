"""`vision-events sync`, `retry`, `drop`, `rekey` and `backup`."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.cli.conftest import ENTRY, ROOT
from tests.conftest import wait_until
from tests.site import OTHER_KEY


def test_sync_delivers_what_is_pending(command, recorded, cloud, online):
    """Even where this shell would not deliver by itself."""
    ids = recorded(7)
    done = command("sync", VISION_EVENTS_BACKUP="false", **online)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7 delivered, 0 pending.\n", "")
    assert cloud.ids == set(ids)


def test_sync_does_not_wait_for_the_next_attempt(command, recorded, cloud, online):
    """A broken link puts a route to rest; a person who knows better says sync."""
    recorded(2)
    cloud.stop()
    done = command("sync", **online)
    assert done.returncode == 3
    assert done.stdout == "0 delivered, 2 pending.\n"
    assert "Connection refused" in done.stderr
    cloud.start()
    assert command("sync", **online).stdout == "2 delivered, 0 pending.\n"


def test_sync_tells_what_was_rejected(command, recorded, online):
    """It is no longer pending, so this is no failure of sync."""
    recorded(1, use_case="nowhere")
    done = command("sync", **online)
    assert done.returncode == 0
    assert "1 rejected: `vision-events list --state rejected` shows them." in done.stdout


def test_sync_without_a_key_says_so(command, recorded):
    """And what to set."""
    recorded()
    done = command("sync")
    assert done.returncode == 3
    assert "set ROBOFLOW_API_KEY" in done.stderr


def test_sync_that_watches_goes_on_until_it_is_interrupted(recorded, cloud, online, store_path, tmp_path):
    """What is recorded meanwhile is delivered, too; Ctrl-C ends it with a sum."""
    recorded()
    environment = {
        **os.environ, **online, "VISION_EVENTS_STORE": str(store_path), "PYTHONPATH": str(ROOT),
        "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0",
    }  # fmt: skip
    watching = subprocess.Popen(
        [*ENTRY, "sync", "--watch"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(cloud.ids) == 1)
    recorded()
    wait_until(lambda: len(cloud.ids) == 2)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=30)
    assert (out, err) == ("2 delivered, 0 pending.\n", "")
    assert watching.returncode == 0


def test_a_rejected_event_is_retried_and_goes_through(command, recorded, cloud, online):
    """Once its use case is there."""
    ids = recorded(2, use_case="late")
    command("sync", **online)
    cloud.site.store.use_cases.add("late")
    assert command("retry", ids[0][:8]).stdout.startswith("1 pending again.")
    assert command("sync", **online).stdout == "1 delivered, 0 pending.\n"
    assert command("retry", "--all").stdout.startswith("1 pending again.")
    command("sync", **online)
    assert cloud.ids == set(ids)


def test_what_is_dropped_is_gone_for_good(command, recorded):
    """After a question, unless it was answered beforehand."""
    kept, gone = recorded(2)
    refused = command("drop", gone, answer="n\n")
    assert refused.returncode == 1
    assert "Remove 1 event from" in refused.stderr
    assert len(command("list", "--json").json) == 2
    assert command("drop", gone, answer="y\n").stdout == "1 removed.\n"
    assert [event["id"] for event in command("list", "--json").json] == [kept]


def test_all_that_is_rejected_is_dropped_and_nothing_else(command, recorded, online):
    """Without a question where nobody could answer."""
    recorded(3, use_case="nowhere")
    command("sync", **online)
    kept = recorded(2)
    assert command("drop", "--rejected", "--yes").stdout == "3 removed.\n"
    assert {event["id"] for event in command("list", "--json").json} == set(kept)


def test_events_of_an_old_key_go_with_the_new_one(command, make_recorder, cloud, online, store_path):
    """A key that was replaced leaves events behind that no process can deliver."""
    recorder = make_recorder(store=str(store_path), backup=False)
    ids = [recorder.record(use_case="uc", api_key="the-old-key").event_id for _ in range(3)]
    recorder.close()
    assert command("sync", **online).returncode == 3
    new = {**online, "ROBOFLOW_API_KEY": OTHER_KEY}
    assert command("rekey", answer="n\n", **new).returncode == 1
    assert command("rekey", "--yes", **new).stdout == "3 events handed to the key that is set now.\n"
    assert command("sync", **new).returncode == 0
    assert cloud.key_of == dict.fromkeys(ids, OTHER_KEY)
    assert command("rekey", **new).stdout == "Nothing waits for another key.\n"


def test_backup_is_switched_and_its_state_told(command, recorded, cloud, online):
    """For every process on the store; sync respects it."""
    recorded()
    off = command("backup", "off")
    assert off.stdout.splitlines() == [
        "Backup is switched off. Events are recorded and wait.", "1 pending, 0 delivered, 0 rejected",
    ]  # fmt: skip
    assert command("backup", "status").stdout == off.stdout
    done = command("sync", **online)
    assert done.returncode == 1
    assert "`vision-events backup on` turns it on" in done.stderr
    assert cloud.requests == []
    assert command("backup", "on", **online).stdout.splitlines()[0] == "Delivering."


@pytest.mark.parametrize("number", [0, 1])
def test_retrying_nothing_is_told(command, recorded, number):
    """As a number, so that a script can count."""
    recorded(number + 1)
    assert command("retry", "--all").stdout.startswith("0 pending again.")
