"""`vision-events status`, `list` and `show`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import supervision as sv

from tests.cli.conftest import Command
from tests.conftest import a_frame

DENT = sv.Detections(
    xyxy=np.array([[10.0, 20.0, 30.0, 40.0]]),
    confidence=np.array([0.9]),
    data={"class_name": np.array(["dent"])},
)


def test_status_counts_and_says_why_something_waits(command, recorded, online, cloud):
    """For people and for programs, over all and by use case."""
    recorded(2, use_case="uc")
    recorded(1, use_case="nowhere")
    told = command("status").stdout
    assert "there is no API key: set ROBOFLOW_API_KEY" in told
    assert "Pending       3, oldest" in told
    assert command("sync", **online).returncode == 0
    found = command("status", "--json", **online).json
    assert [found[name] for name in ("recorded", "pending", "delivered", "rejected", "backup")] == [
        3,
        0,
        2,
        1,
        "on",
    ]
    nowhere, uc = found["use_cases"]
    assert (nowhere["use_case"], nowhere["rejected"]) == ("nowhere", 1)
    assert "'nowhere' does not exist" in nowhere["last_error"]
    assert (uc["delivered"], uc["last_error"]) == (2, "")


def test_status_tells_of_a_network_that_is_gone(command, recorded, online, cloud):
    """With the reason and when it is tried again, as another process noticed it."""
    recorded()
    cloud.stop()
    assert command("sync", **online).returncode == 3
    found = command("status", "--json", **online).json
    assert found["backup"] == "waiting"
    assert "Connection refused" in found["waiting"][0]["reason"]


def test_list_shows_the_newest_first(command, recorded):
    """So many as are asked for."""
    ids = recorded(5)
    assert [event["id"] for event in command("list", "--json", "-n", 3).json] == ids[:1:-1]
    lines = command("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "CAPTURED", "TYPE", "USE", "CASE", "WHAT", "FOUND", "STATE"]
    assert [line.split()[0] for line in lines[1:]] == [event_id[:8] for event_id in reversed(ids)]


@pytest.mark.parametrize(
    "filters",
    [
        ("--type", "quality_check"), ("--type", "quality_check", "--type", "safety_alert"), ("--use-case", "uc-2"),
        ("--class", "dent"), ("--since", "30min"), ("--until", "9d"), ("--since", "10d", "--until", "8d"),
    ],
)  # fmt: skip
def test_each_filter_leaves_out_what_it_should(command: Command, recorded, filters):
    """The wanted event and one that differs."""
    now = datetime.now(timezone.utc)
    late = "--until" in filters
    wanted = {
        "event_type": "quality_check", "use_case": "uc-2", "image": a_frame(1), "predictions": DENT,
        "captured_at": now - timedelta(days=9, hours=1) if late else now,
    }  # fmt: skip
    (expected,) = recorded(**wanted)
    recorded(captured_at=now - timedelta(hours=2))
    assert [event["id"] for event in command("list", "--json", *filters).json] == [expected]


def test_nothing_found_is_no_error(command, recorded):
    """And a program gets an empty list."""
    recorded()
    done = command("list", "--state", "rejected")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No event fulfils this.\n")
    assert command("list", "--state", "rejected", "--json").json == []


def test_show_tells_all_and_writes_the_images(command, recorded, tmp_path):
    """By the beginning of the id."""
    frame = a_frame(3)
    (event_id,) = recorded(
        event_type="quality_check", data={"result": "fail", "externalId": "lot-1"}, metadata={"torque": 4.2},
        image=frame, predictions=DENT, device_id="press-4",
    )  # fmt: skip
    done = command("show", event_id[:6], "--images", "pictures")
    for words in (event_id, 'result = "fail"', "torque = 4.2", "press-4", "1 dent", "pending", "input: "):
        assert words in done.stdout
    (picture,) = (tmp_path / "pictures").iterdir()
    assert f"Written: pictures/{picture.name}" in done.stdout
    assert picture.name == f"{event_id[:8]}-0-input.jpg"
    body = command("show", event_id, "--json").json["event"]
    assert body["eventData"] == {"result": "fail", "externalId": "lot-1"}


def test_show_tells_the_way_of_an_event(command, recorded, online):
    """The words of the destination."""
    (event_id,) = recorded(use_case="nowhere")
    command("sync", **online)
    assert "'nowhere' does not exist" in command("show", event_id).stdout
    history = command("show", event_id, "--json").json["history"]
    assert [happening["what"] for happening in history] == ["rejected"]


def test_an_id_that_may_be_several_is_asked_for_again(command, make_recorder, store_path):
    """With those that it may be; and one that is none is named."""
    recorder = make_recorder(store=str(store_path), backup=False)
    ids = [recorder.record(use_case="uc", idempotency_key=str(n)).event_id for n in range(40)]
    recorder.close()
    first = next(sign for sign in "0123456789abcdef" if sum(name.startswith(sign) for name in ids) > 1)
    done = command("show", first)
    assert done.returncode == 1
    assert "give more of the id" in done.stderr
    assert sum(name in done.stderr for name in ids) > 1
    assert "There is no event 'zzz'" in command("show", "zzz").stderr
    assert command("show", "").returncode == 1
