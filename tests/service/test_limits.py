"""Requests that mean harm, or are just too large."""

from __future__ import annotations

import io
import resource
import socket
import struct
import time
import zlib

import pytest
from PIL import Image

from tests.service.conftest import a_jpeg, cloud_event
from tests.site import KEY


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(site):
    """By its declared length."""
    answer = _send_head(site, f"Content-Length: {10**9}")
    assert b" 413 " in answer.splitlines()[0]
    assert b'{"error":"The request is larger than' in answer


def test_a_body_that_never_ends_is_cut_off(make_site):
    """It declares no length; the limit counts what came."""
    site = make_site(max_request_bytes=1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(_head("Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(1000):
                connection.sendall(chunk)
        except OSError:
            pass  # it hung up on us, as it should
        else:
            answer = connection.recv(1000)
            assert b" 413 " in answer.splitlines()[0]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 40_000  # KiB
    assert site.events == {}


def _head(length: str) -> bytes:
    return (
        f"POST /vision-events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\n{length}\r\n\r\n"
    ).encode()


def _send_head(site, length: str) -> bytes:
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall(_head(length))
        answer = b""
        deadline = time.monotonic() + 10
        while b"}" not in answer and time.monotonic() < deadline:
            part = connection.recv(10_000)
            if not part:
                break
            answer += part
        return answer


def a_png_that_claims(width: int, height: int) -> bytes:
    """A tiny file whose head says that it is huge."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000), 9)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", pixels) + part(b"IEND", b"")


@pytest.mark.parametrize(
    "file",
    [
        b"", b"GIF89a", b"\xff\xd8\xff", b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4",
        b"<script>alert(1)</script>", a_png_that_claims(60_000, 60_000), a_png_that_claims(17_000, 10),
        a_jpeg()[:20],
    ],
    ids=lambda file: repr(file[:8]),
)  # fmt: skip
def test_what_is_no_image_is_a_415(api, site, file):
    """Nothing of it is kept, and nothing of it is decoded."""
    answer = api.upload(file)
    assert answer.status_code == 415, answer.text
    assert answer.json()["error"].startswith("file: ")
    assert site.store.counts().bytes < 300_000


def test_a_picture_that_is_too_large_to_preview_is_shown_without_one(api):
    """Its file is kept all the same; nobody decodes a hundred million pixels for a list."""
    source = api.upload(a_png_that_claims(10_000, 10_000)).json()["sourceId"]
    assert api.get(f"/thumbnails/{source}").status_code == 404
    assert api.get(f"/v2/images/{source}").status_code == 200


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_every_documented_kind_of_image_is_taken(api, kind):
    """And has a preview."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(file, kind)
    answer = api.upload(file.getvalue())
    assert answer.status_code == 201, answer.text
    assert api.get(f"/thumbnails/{answer.json()['sourceId']}").content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "metadata", ["{", "[]", '{"a": {}}', '{"a/b": 1}', '{"a": null}', '{"a": NaN}', '"text"'], ids=repr
)
def test_wrong_metadata_of_an_image_is_a_400(api, metadata):
    """The same rules as for the metadata of an event."""
    assert api.upload(a_jpeg(), metadata=metadata).status_code == 400


def test_an_upload_without_a_file_is_a_400(api):
    """It names the field."""
    answer = api.post("/vision-events/upload", data={"name": "x"})
    assert (answer.status_code, "file" in answer.json()["error"]) == (400, True)


def test_an_uploaded_image_waits_for_its_event_and_goes_when_none_comes(site, api, monkeypatch):
    """After a week; and stays as long as an event shows it."""
    shown, alone = (api.upload(a_jpeg(seed)).json()["sourceId"] for seed in (1, 2))
    api.post("/vision-events", json=cloud_event(images=[{"sourceId": shown}]))
    site.store.prune()
    assert site.store.image(alone) is not None
    later = time.time() + 6.9 * 86_400
    monkeypatch.setattr(site.store._pruning, "_clock", lambda: later)
    site.store.prune()
    assert site.store.image(alone) is not None
    monkeypatch.setattr(site.store._pruning, "_clock", lambda: later + 0.2 * 86_400)
    monkeypatch.setattr(site.store._pruning._quota.__class__, "days", 30.0)
    site.store.prune()
    assert site.store.image(alone) is None
