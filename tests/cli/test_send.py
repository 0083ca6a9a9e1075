"""`vision-events send`: the REST API from a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ENTRY, ROOT
from tests.conftest import a_frame, wait_until
from tests.link import Fault
from vision_event_block.images import encode_jpeg


@pytest.fixture
def photos(tmp_path):
    """Makes a folder of images."""

    def make(count: int, name: str = "photos") -> list[Path]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        made = [folder / f"frame-{number:03}.jpg" for number in range(count)]
        for number, path in enumerate(made):
            path.write_bytes(encode_jpeg(a_frame(number), 80).data)
        return made

    return make


def test_an_image_becomes_an_event(command, photos, cloud, online):
    """With all its fields; numbers and truth values are what they look like, unless they are quoted."""
    (photo,) = photos(1)
    done = command(
        "send", photo, "--use-case", "uc", "--type", "inventory_count", "--data", "itemCount=14", "--data", "item_type=crate",
        "--metadata", "shift=B", "--metadata", "torque=4.2", "--metadata", "rework=false", "--metadata", 'lot="0017"',
        "--device", "press-4", "--stream", "left", "--json", **online,
    )  # fmt: skip
    ((event_id, body),) = cloud.events.items()
    assert done.json == {"sent": [{"file": str(photo), "event_id": event_id}], "failed": []}
    assert body["eventData"] == {"itemCount": 14, "itemType": "crate"}
    assert body["customMetadata"] == {"shift": "B", "torque": 4.2, "rework": False, "lot": "0017"}
    assert (body["deviceId"], body["streamId"], body["displayImagePosition"]) == ("press-4", "left", 0)
    assert cloud.images[body["images"][0]["inputSourceId"]] == photo.read_bytes()


def test_a_folder_is_sent_in_few_requests(command, photos, cloud, online):
    """Each image once, the events in batches of a hundred; other files are left alone."""
    made = photos(120)
    (made[0].parent / "notes.txt").write_text("x")
    done = command("send", made[0].parent, "--use-case", "uc", **online)
    assert (done.returncode, done.stdout, done.stderr) == (0, "120 sent, 0 failed.\n", "")
    assert len(cloud.events) == 120
    assert cloud.count("/vision-events/upload") == 120
    assert cloud.count("/vision-events/batch") == 2


def test_what_is_missing_or_broken_is_told_at_the_end_and_the_rest_is_sent(command, photos, cloud, online):
    """By name."""
    made = photos(3)
    made[1].write_text("no image")
    done = command("send", made[0].parent, "gone.jpg", "--use-case", "uc", **online)
    assert done.returncode == 3
    assert done.stdout == "2 sent, 2 failed.\n"
    assert "frame-001.jpg: The file of 8 bytes" in done.stderr
    assert "gone.jpg: No such file or directory" in done.stderr
    assert len(cloud.events) == 2


def test_sending_the_same_again_doubles_nothing(command, photos, cloud, online):
    """But other fields make another event."""
    photos(3)
    for _ in range(2):
        assert command("send", "photos", "--use-case", "uc", **online).returncode == 0
    assert len(cloud.events) == 3
    command("send", "photos", "--use-case", "uc", "--metadata", "shift=B", **online)
    assert len(cloud.events) == 6


def test_an_unknown_use_case_fails_each_with_the_words_of_the_server(command, photos, online):
    """And a hint of what to do."""
    photos(2)
    done = command("send", "photos", "--use-case", "nowhere", **online)
    assert done.returncode == 3
    assert done.stderr.count("'nowhere' does not exist: create it") == 2


def test_a_key_that_is_refused_ends_it_at_once(command, photos, cloud, online):
    """A thousand files are not tried with it."""
    photos(150)
    done = command("send", "photos", "--use-case", "uc", **{**online, "ROBOFLOW_API_KEY": "wrong"})
    assert done.returncode == 3
    assert done.stdout == "0 sent, 150 failed.\n"
    assert done.stderr.count("not tried: ") == 50
    assert "wrong" not in done.stdout
    assert len(cloud.requests) <= 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--type", "party"), "--type 'party' is none of quality_check"),
        (("--data", "colour=red"), "--data 'colour' is none of value, externalId, which custom has"),
        (("--type", "quality_check", "--data", "result=maybe"), "result: Input should be 'pass' or 'fail', given 'maybe'"),
        (("--data", "value"), "--data 'value' is no KEY=VALUE"),
        (("--metadata", "a.b=1"), "String should match pattern"),
        (("--metadata", f"a={'x' * 1001}"), "1000 characters"),
        (("--captured", "never"), "'never' is no time"),
        (("--device", "x" * 257), "256 characters"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named_before_anything_is_sent(command, photos, cloud, online, arguments, words):
    """With what was given and what is allowed."""
    photos(1)
    done = command("send", "photos", "--use-case", "uc", *arguments, **online)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert cloud.requests == []


def test_a_folder_without_images_is_no_success(command, tmp_path, online):
    """Nothing was sent, and that was not meant."""
    (tmp_path / "empty").mkdir()
    done = command("send", "empty", "--use-case", "uc", **online)
    assert done.returncode == 3
    assert "empty: no images in it" in done.stderr


def test_without_a_key_it_says_what_to_set(command, photos):
    """Before it reads a file."""
    photos(1)
    done = command("send", "photos", "--use-case", "uc")
    assert done.returncode == 1
    assert done.stderr == "No API key: pass api_key, or set ROBOFLOW_API_KEY.\n"


def test_the_time_of_an_image_is_that_of_its_file(command, photos, cloud, online):
    """Unless it is given, or too old for the API."""
    fresh, old = photos(2)
    hour_ago = time.time() - 3600
    os.utime(fresh, (hour_ago, hour_ago))
    os.utime(old, (1e9, 1e9))
    command("send", fresh, "--use-case", "uc", **online)
    command("send", old, "--use-case", "uc", **online)
    command("send", fresh, "--use-case", "uc-2", "--captured", "2h", **online)
    ages = [time.time() - event.captured_at for event in cloud.site.store.catalog.events()]
    assert [round(age / 3600) for age in ages] == [0, 1, 2]


def test_an_interrupted_run_leaves_nothing_half_written_and_goes_on(command, photos, cloud, online, tmp_path):
    """Ctrl-C in the midst of a folder; the same command again completes it, each event once."""
    photos(150)
    reached = threading.Event()

    def slow(request):
        if request.path == "/vision-events/upload" and cloud.count("/vision-events/upload") > 120:
            reached.set()
            return Fault(delay=0.3)
        return None

    cloud.fault = slow
    environment = {**os.environ, **online, "PYTHONPATH": str(ROOT)}
    sending = subprocess.Popen(
        [*ENTRY, "send", "photos", "--use-case", "uc"], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(reached.is_set)
    sending.send_signal(signal.SIGINT)
    out, err = sending.communicate(timeout=30)
    assert sending.returncode == 130
    assert "Send the same again to go on" in err
    assert "Traceback" not in err
    assert out == "100 sent, 0 failed.\n"
    assert len(cloud.ids) == 100
    cloud.fault = lambda request: None
    assert command("send", "photos", "--use-case", "uc", **online).returncode == 0
    assert len(cloud.ids) == 150
