"""Makes the pictures of the page: two real services, events of real photographs, a real browser.

A device backs up to a site. One use case is missing there, and at last the site goes away.
"""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import requests
from playwright.sync_api import sync_playwright
from skimage import data

FOLDER = Path(__file__).parent / "screenshots"
SITE_PORT, DEVICE_PORT = 8091, 8092
DEVICE = f"http://127.0.0.1:{DEVICE_PORT}"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]
EVENTS = 90


ZONES = ("America/Los_Angeles", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo")


def main() -> None:
    """Fills the services and photographs their page."""
    work_in_the_evening()
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "device.db", DEVICE_PORT,
        API_BASE_URL=f"http://127.0.0.1:{SITE_PORT}", ROBOFLOW_API_KEY="a-key-for-the-pictures"):  # fmt: skip
        with service(Path(folder) / "site.db", SITE_PORT, VISION_EVENTS_DESTINATION="here"):
            for name in ("coin count", "entrance"):
                requests.post(
                    f"http://127.0.0.1:{SITE_PORT}/vision-events/use-cases", json={"name": name}, timeout=5
                )
            for number in range(EVENTS):
                post(number, EVENTS)
            wait_for(lambda counts: counts["pending"] == 0)
        for number in range(3):
            post(number, 3)
        wait_for(lambda counts: status()["backup"] == "waiting")
        take_pictures()


def work_in_the_evening() -> None:
    """Moves to where most of the day is over, whenever this runs, so that the chart has a day to show."""
    now = datetime.now(timezone.utc)
    os.environ["TZ"] = max(
        ZONES, key=lambda zone: (hour := now.astimezone(ZoneInfo(zone)).hour) * (hour < 21)
    )
    time.tzset()


@contextmanager
def service(store: Path, port: int, **environment: str) -> Iterator[None]:
    """The service on a port of loopback, as the command line starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vision_event_block", "serve", "--port", str(port)],
        env={**os.environ, "VISION_EVENTS_STORE": str(store), "VISION_EVENTS_EXIT_FLUSH_SECONDS": "0", **environment},
    )  # fmt: skip
    try:
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def post(number: int, count: int) -> None:
    """Records one event of today."""
    chance = random.Random(number * 1000 + count)
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    captured = (
        midnight + (now - midnight) * (number / count) ** 0.8
        if count > 10
        else now - timedelta(seconds=30 - number)
    )
    event = coins(chance) if chance.random() < 0.6 else face(chance)
    if number == EVENTS // 2:
        event["solution"] = "new-line"
    event |= {
        "inference_timestamp": captured.isoformat(),
        "custom_metadata": {"shift": "B", "exposure_ms": 4.2},
    }
    requests.post(f"{DEVICE}/v2/events", json=event, timeout=10).raise_for_status()


def coins(chance: random.Random) -> dict[str, Any]:
    """Coins found by their outline, in a photograph that is a little different each time."""
    picture = cv2.resize(data.coins(), None, fx=2, fy=2)
    shift = np.float32([[1, 0, chance.randint(-30, 30)], [0, 1, chance.randint(-20, 20)]])
    picture = cv2.warpAffine(picture, shift, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT)
    _, mask = cv2.threshold(cv2.GaussianBlur(picture, (9, 9), 0), 115, 255, cv2.THRESH_BINARY)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        area = cv2.contourArea(contour)
        x, y, width, height = cv2.boundingRect(contour)
        if 2500 < area < 20_000 and area > 0.6 * width * height:
            outline = cv2.approxPolyDP(contour, 2, True)[:, 0]
            found.append({
                "class": "large coin" if area > 9000 else "coin", "x": x + width / 2, "y": y + height / 2,
                "width": width, "height": height, "points": outline.tolist(),
                "confidence": round(float(min(area / (width * height) / 0.79, 1.0)), 2),
            })  # fmt: skip
    return {
        "event_schema": "inventory_count", "solution": "coin-count", "device_id": "tray-1",
        "event_data": {"itemCount": len(found), "itemType": "coin", "location": "tray 1"},
        "images": [{"inputBase64Image": encoded(picture), "instanceSegmentations": found}],
    }  # fmt: skip


def face(chance: random.Random) -> dict[str, Any]:
    """A face and its eyes, found by the cascades that OpenCV brings along."""
    picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    picture = cv2.convertScaleAbs(picture, alpha=chance.uniform(0.8, 1.2))
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    find = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    eyes = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_eye.xml")
    found = []
    for x, y, width, height in find.detectMultiScale(gray, 1.1, 8).tolist()[:1]:
        seen = eyes.detectMultiScale(gray[y : y + height // 2, x : x + width], 1.1, 6)
        points = [
            {"id": place, "x": int(x + ex + ew / 2), "y": int(y + ey + eh / 2)}
            for place, (ex, ey, ew, eh) in enumerate(seen)
        ]
        found.append({
            "class": "face", "x": x + width / 2, "y": y + height / 2, "width": width, "height": height,
            "confidence": round(chance.uniform(0.6, 0.99), 2), "keypoints": points,
        })  # fmt: skip
    has_helmet = chance.random() < 0.5
    return {
        "event_schema": "quality_check" if has_helmet else "safety_alert",
        "solution": "entrance", "device_id": "gate-2",
        "event_data": {"result": "pass"} if has_helmet else {"alertType": "no_helmet", "severity": "high"},
        "images": [{"inputBase64Image": encoded(picture), "keypoints": found}],
    }  # fmt: skip


def encoded(picture: np.ndarray) -> str:
    """A JPEG as base64."""
    return base64.b64encode(cv2.imencode(".jpg", picture)[1].tobytes()).decode()


def status() -> dict[str, Any]:
    """What the device says of itself."""
    return requests.get(f"{DEVICE}/v2/status", timeout=5).json()


def wait_for(condition: Any) -> None:
    """Waits for the backup."""
    while not condition(status()["counts"]):
        time.sleep(0.2)


def take_pictures() -> None:
    """Opens the page as people would."""
    coin = next(
        event for event in requests.get(f"{DEVICE}/v2/events/latest/query?limit=90", timeout=5).json()["events"]
        if event["event_schema"] == "inventory_count" and event["state"] == "delivered"
    )["id"]  # fmt: skip
    rejected = requests.get(f"{DEVICE}/v2/events/query?state=rejected", timeout=5).json()["events"][0]["id"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, path, size, scheme in (
            ("overview", "/", (1200, 960), "light"),
            ("event", f"/events/{coin}", (1200, 960), "dark"),
            ("rejected", f"/events/{rejected}", (1200, 760), "light"),
            ("phone", "/", (390, 844), "dark"),
        ):
            context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
            page = context.new_page()
            page.goto(DEVICE + path, wait_until="networkidle")
            page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=82)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
