"""`vision-events export` and `import`: events as files that are carried to where there is a network."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundles import check_bundle
from tests.cli.conftest import ENTRY, ROOT
from tests.conftest import a_frame, wait_until
from tests.service.test_cloud_api import a_bundle
from vision_event_block.images import encode_jpeg
from vision_event_block.store.model import Quota
from vision_event_block.store.sqlite import SQLiteEventStore

DENT = {"predictions": [{"class": "dent", "confidence": 0.8}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stick"


def noise(seed: int) -> np.ndarray:
    """A frame that hardly compresses: about 60 KB."""
    return np.random.default_rng(seed).integers(0, 255, (160, 200, 3), np.uint8)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_event_becomes_a_bundle_that_keeps_the_contract(command, recorded, folder):
    """One file each, under the name that the stock block would give it."""
    ids = recorded(3, image=a_frame(1), output_image=a_frame(2), predictions=DENT, metadata={"shift": "B"})
    done = command("export", folder)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "3 bundles in stick.\n".replace("stick", str(folder)),
        "",
    )
    payloads = [check_bundle(path) for path in folder.iterdir()]
    assert {payload["eventId"] for payload in payloads} == set(ids)
    assert payloads[0]["customMetadata"] == {"shift": "B"}


def test_the_same_event_is_the_same_file(command, recorded, folder):
    """To the byte, so that a mover of files sees nothing new in it."""
    recorded(2, image=a_frame(1))
    command("export", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    command("export", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_what_is_asked_for_is_exported(command, recorded, folder):
    """By the filters of `list`; nothing becomes delivered by it."""
    recorded()
    (wanted,) = recorded(use_case="uc-2")
    command("export", folder, "--use-case", "uc-2")
    assert [check_bundle(path)["eventId"] for path in folder.iterdir()] == [wanted]
    assert command("status", "--json").json["pending"] == 2


def test_carried_events_arrive_as_if_they_had_gone_over_the_network(
    command, recorded, folder, online, cloud, tmp_path
):
    """Recorded on one device, delivered from another: the same ids, the same files."""
    frame = a_frame(7)
    ids = recorded(2, image=frame, predictions=DENT, event_type="quality_check", data={"result": "fail"})
    command("export", folder)
    office = {"VISION_EVENTS_STORE": str(tmp_path / "office.db"), **online}
    assert command("import", folder, **office).stdout == "2 recorded, 0 were here already.\n"
    assert command("sync", **office).returncode == 0
    assert cloud.ids == set(ids)
    event = cloud.events[ids[0]]
    assert event["eventData"] == {"result": "fail"}
    assert cloud.images[event["images"][0]["inputSourceId"]] == encode_jpeg(frame, 95).data


def test_a_bundle_that_is_imported_again_is_the_same_event(command, recorded, folder, tmp_path):
    """And another one under its id is refused, not put in its place."""
    (event_id,) = recorded(data={"value": "first"})
    command("export", folder)
    office = {"VISION_EVENTS_STORE": str(tmp_path / "office.db")}
    command("import", folder, **office)
    assert command("import", folder, **office).stdout == "0 recorded, 1 were here already.\n"
    (path,) = folder.iterdir()
    payload = check_bundle(path)
    payload["eventData"] = {"value": "second"}
    path.write_bytes(a_bundle(payload, {}))
    done = command("import", folder, **office)
    assert done.returncode == 3
    assert f"another event with the id {event_id}" in done.stderr
    assert command("show", event_id, "--json", **office).json["event"]["eventData"] == {"value": "first"}


def test_what_is_pending_is_settled_once_its_bundle_is_on_disk(command, recorded, folder, cloud, online):
    """So that it does not go over the network as well."""
    ids = recorded(150)
    done = command("export", folder, "--settle")
    assert done.stdout == f"150 bundles in {folder}, counted as delivered.\n"
    assert {check_bundle(path)["eventId"] for path in folder.iterdir()} == set(ids)
    counts = command("status", "--json").json
    assert (counts["pending"], counts["delivered"]) == (0, 150)
    assert command("sync", **online).stdout == "0 delivered, 0 pending.\n"
    assert cloud.ids == set()


def test_a_stick_that_is_full_keeps_the_rest_pending(command, recorded, make_disk):
    """What was written is whole; nothing is counted that is not there."""
    stick = make_disk("400k")
    for seed in range(12):
        recorded(image=noise(seed))
    done = command("export", stick, "--settle")
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    there = [check_bundle(path) for path in stick.iterdir()]
    counts = command("status", "--json").json
    assert counts["delivered"] == len(there) > 0
    assert counts["pending"] == 12 - len(there) > 0


def test_a_place_that_is_no_folder_is_told(command, recorded, tmp_path):
    """And nothing is settled."""
    recorded()
    (tmp_path / "file").write_text("")
    for more in ((), ("--settle",)):
        done = command("export", tmp_path / "file", *more)
        assert done.returncode != 0
        assert "file" in done.stderr
    assert command("status", "--json").json["pending"] == 1


def test_settling_takes_no_filters(command, recorded, folder):
    """They would say that some of the pending are meant."""
    recorded()
    done = command("export", folder, "--settle", "--type", "custom")
    assert done.returncode == 2
    assert not folder.exists()


def test_the_backup_itself_writes_bundles_where_a_folder_is_the_destination(
    command, make_recorder, store_path, folder
):
    """As a device behind an air gap is set up."""
    recorder = make_recorder(store=str(store_path), destination=f"file://{folder}")
    ids = {recorder.record(use_case="uc", image=a_frame(n)).event_id for n in range(5)}
    assert recorder.flush(20)
    assert {check_bundle(path)["eventId"] for path in folder.iterdir()} == ids
    assert recorder.store.counts().delivered == 5


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_an_export_that_is_ended_leaves_no_broken_bundle(recorded, folder, store_path, end):
    """Whatever has its name is whole, at every moment."""
    for seed in range(40):
        recorded(5, image=a_frame(seed, 300, 400))
    exporting = subprocess.Popen(
        [*ENTRY, "--store", str(store_path), "export", str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: folder.is_dir() and len(list(folder.glob("event_*"))) > 3)
    exporting.send_signal(end)
    _, err = exporting.communicate(timeout=30)
    assert exporting.returncode == (130 if end == signal.SIGINT else -9)
    assert "Traceback" not in err
    written = list(folder.glob("event_*"))
    assert 3 < len(written) < 200
    for path in written:
        check_bundle(path)
    if end == signal.SIGINT:
        assert _names(folder) == sorted(path.name for path in written)


def _a_payload(**more: Any) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"eventId": "b1", "eventType": "custom", "useCaseId": "uc", "timestamp": now, **more}


def _linked(kind: bytes) -> bytes:
    """A bundle whose image is a link to a file of the device."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        payload = json.dumps(_a_payload(images=[{"file": "images/a.jpg"}])).encode()
        member = tarfile.TarInfo("payload.json")
        member.size = len(payload)
        tar.addfile(member, io.BytesIO(payload))
        link = tarfile.TarInfo("images/a.jpg")
        link.type, link.linkname = kind, "/etc/passwd"
        tar.addfile(link)
    return buffer.getvalue()


HOSTILE = {
    "a path that leaves": (a_bundle(_a_payload(), {"../../evil.jpg": b"x"}), "lies outside"),
    "an absolute path": (a_bundle(_a_payload(), {"/tmp/evil.jpg": b"x"}), "lies outside"),
    "a symbolic link": (_linked(tarfile.SYMTYPE), "no plain file"),
    "a hard link": (_linked(tarfile.LNKTYPE), "no plain file"),
    "a device": (_linked(tarfile.CHRTYPE), "no plain file"),
    "too many files": (a_bundle(_a_payload(), {f"{n}": b"" for n in range(1001)}), "more than 1000 files"),
    "a bomb": (gzip.compress(bytes(200_000_000), 1), "unpacks to more"),
    "too large": (bytes(26_214_401), "at most 26214400"),
    "no archive": (b"hello" * 1000, "no tar archive"),
    "half of one": (a_bundle(_a_payload(), {})[:100], "The bundle"),
    "no payload": (a_bundle(None, {"images/a.jpg": b"x"}), "no payload.json"),
    "no JSON": (a_bundle(None, {"payload.json": b"{"}), "no JSON"),
    "a deep payload": (a_bundle(None, {"payload.json": b"[" * 100_000}), "no JSON"),
    "NaN": (a_bundle(None, {"payload.json": b'{"eventData": NaN}'}), "eventType"),
    "no use case": (a_bundle({**_a_payload(), "useCaseId": ""}, {}), "useCaseId"),
    "a type that is none": (a_bundle(_a_payload(eventType="party"), {}), "eventType"),
    "an image that is none": (a_bundle(_a_payload(images=[{"file": "a"}]), {"a": b"GIF?"}), "no image"),
    "a picture that is not in it": (a_bundle(_a_payload(images=[{"file": "b.jpg"}]), {}), "is not in the bundle"),
    "a source id of elsewhere": (a_bundle(_a_payload(images=[{"sourceId": "src-1"}]), {}), "was never uploaded"),
    "a time long ago": (a_bundle(_a_payload(timestamp="1999-01-01T00:00:00Z"), {}), "a year ago"),
    "a later format": (a_bundle(_a_payload(bundleFormatVersion=2), {}), "bundleFormatVersion"),
}  # fmt: skip


def test_hostile_and_broken_bundles_are_refused_and_left_where_they_are(
    command, folder, tmp_path, store_path
):
    """Each with its reason; the good one among them is recorded, and nothing is written elsewhere."""
    folder.mkdir()
    for name, (content, _) in HOSTILE.items():
        (folder / f"{name}.tar.gz").write_bytes(content)
    (folder / "good.tar.gz").write_bytes(a_bundle(_a_payload(), {}))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    around = set(_names(tmp_path))
    done = command("import", "--remove", folder)
    assert done.returncode == 3
    assert done.stdout == "1 recorded, 0 were here already.\n"
    lines = {line.partition(".tar.gz: ")[0].rpartition("/")[2]: line for line in done.stderr.splitlines()}
    for name, (_, words) in HOSTILE.items():
        assert words in lines[name], lines[name]
    assert done.stderr.splitlines()[-1] == f"{len(HOSTILE)} failed; they are where they were."
    del before["good.tar.gz"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {name for name in set(_names(tmp_path)) - around if not name.startswith("events.db")} == set()
    store = SQLiteEventStore(store_path, Quota(10**9))
    assert [event.id for event in store.catalog.events()] == ["b1"]
    store.close()


def test_the_use_case_of_the_command_wins(command, folder):
    """As in the API."""
    folder.mkdir()
    (folder / "one.tar").write_bytes(a_bundle(_a_payload(), {}, "w:"))
    assert command("import", "--use-case", "uc-2", folder / "one.tar").returncode == 0
    assert command("list", "--json").json[0]["event"]["useCaseId"] == "uc-2"


def test_what_a_mover_has_not_finished_is_left_alone(command, folder):
    """Names with a dot before them, and other files."""
    folder.mkdir()
    for name in (".tmp_1_event.tar.gz", "notes.txt"):
        (folder / name).write_bytes(b"half")
    done = command("import", folder)
    assert (done.returncode, done.stdout) == (0, "0 recorded, 0 were here already.\n")
    assert command("import", folder / "gone.tar.gz").returncode == 1


def test_an_import_into_a_store_that_is_full_loses_no_bundle(command, folder):
    """They stay for when there is room."""
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.tar").write_bytes(a_bundle(_a_payload(eventId=f"b{number}"), {}, "w:"))
    done = command("import", "--remove", folder, VISION_EVENTS_MAX_RECORDS="1")
    assert done.returncode == 3
    assert "is full" in done.stderr
    assert "2.tar: not tried" in done.stderr
    assert _names(folder) == ["1.tar", "2.tar"]


@pytest.mark.skipif(sys.platform != "linux", reason="a name that is no UTF-8 exists on Linux only")
def test_a_name_that_is_no_text_stops_nothing(command, folder):
    """File systems hold any bytes."""
    folder.mkdir()
    (folder / "bad\udcff.tar").write_bytes(b"x" * 600)
    (folder / "good.tar").write_bytes(a_bundle(_a_payload(), {}, "w:"))
    done = command("import", folder)
    assert (done.returncode, done.stdout) == (3, "1 recorded, 0 were here already.\n")
