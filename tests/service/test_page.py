"""The page, in a real Chromium."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from datetime import datetime, timedelta, timezone

import pytest
import requests

if importlib.util.find_spec("playwright") is None:
    pytest.skip("Playwright is not installed", allow_module_level=True)

from playwright.sync_api import expect

from tests.conftest import wait_until
from tests.link import Fault, Link
from tests.service.browser import CHROMIUM, chromium
from tests.service.conftest import BOX, Api, cloud_event, device_event
from tests.site import KEY

pytestmark = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="Chromium is not installed")

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser):
    """A page that fails its test when anything on it complains, or asks another host for something."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda sent: "127.0.0.1" in sent.url or sent.url.startswith("data:") or complaints.append(sent.url),
    )
    page.complaints = complaints
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def open_site(make_site):
    """A service without a key, on loopback."""
    return make_site("open", server_keys="", use_cases=("uc",))


def _detected(*names: str) -> dict:
    boxes = [{**BOX, "class": name, "confidence": 0.2 * (place + 1)} for place, name in enumerate(names)]
    sent = device_event(len(names))
    sent["images"][0] |= {"objectDetections": boxes}
    return sent


def test_the_list_shows_what_was_recorded_and_filters_it(page, open_site):
    """By type, class, device and use case; the address keeps the choice."""
    api = Api(open_site)
    api.post("/v2/events", json={**_detected("dent"), "device_id": "press-4"})
    api.post("/v2/events", json={**_detected("scratch", "dent"), "device_id": "press-5"})
    api.post(
        "/v2/events", json=device_event(None, event_schema="quality_check", event_data={"result": "fail"})
    )
    page.goto(open_site.url)
    rows = page.locator("#events a.event")
    assert rows.count() == 3
    assert page.locator("#events img").count() == 2
    assert "3 events today" in page.locator("figcaption").inner_text().lower()
    page.get_by_label("Class").select_option("scratch")
    page.wait_for_url("**/?*class_name=scratch*")
    assert rows.count() == 1
    assert "1 scratch" in rows.inner_text()
    page.get_by_role("link", name="Show all").click()
    page.locator("select[name=event_type]").select_option("quality_check")
    page.wait_for_url("**/?*event_type=quality_check*")
    assert "fail" in rows.inner_text()
    page.goto(f"{open_site.url}/?device=PRESS-4")
    assert rows.count() == 1
    page.goto(f"{open_site.url}/?device=nowhere")
    assert "No event is like that" in page.locator("#events").inner_text()


def test_the_chart_counts_by_type_and_leads_to_its_events(page, open_site):
    """Each bar is a link to the time it stands for."""
    api = Api(open_site)
    now = datetime.now(timezone.utc)
    for number in range(3):
        sent = device_event(None, inference_timestamp=(now - timedelta(days=2)).isoformat())
        api.post("/v2/events", json=sent, headers={"Idempotency-Key": f"old-{number}"})
    api.post("/v2/events", json=device_event(None, event_schema="custom", event_data={"value": "now"}))
    page.goto(f"{open_site.url}/?span=week")
    assert page.locator(".legend").inner_text().split("\n") == ["Inventory count 3", "Custom 1"]
    page.locator(".chart svg a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**since=*")
    assert page.locator("#events a.event").count() == 3


def test_an_event_is_opened_with_everything_that_was_found_drawn_on_it(page, open_site):
    """Boxes, outlines and keypoints where they belong; classes and confidence can be taken away."""
    api = Api(open_site)
    sent = _detected("dent", "dent", "scratch")
    sent["images"][0] |= {
        "instanceSegmentations": [
            {**BOX, "class": "lid", "confidence": 0.9, "points": [[10, 10], [60, 10], [60, 40]]}
        ],
        "keypoints": [{**BOX, "class": "hand", "keypoints": [{"id": 0, "x": 12, "y": 13}]}],
        "classifications": [{"class": "blurred", "confidence": 0.4}],
    }
    sent |= {"custom_metadata": {"shift": "B"}, "device_id": "press-4"}
    event_id = api.post("/v2/events", json=sent).json()["id"]
    page.goto(open_site.url)
    page.locator("#events a.event").click()
    page.wait_for_url(f"**/events/{event_id}")
    shapes = page.locator("#overlay .shape:not(.off)")
    assert shapes.count() == 5
    assert page.locator("#overlay polygon").get_attribute("points") == "10.0,10.0 60.0,10.0 60.0,40.0"
    assert page.locator("#overlay circle").get_attribute("cx") == "12.0"
    picture = page.locator("#original").bounding_box()
    box = page.locator("#overlay .shape rect").nth(1).bounding_box()
    scale = picture["width"] / 120
    assert abs(box["x"] - picture["x"] - (BOX["x"] - BOX["width"] / 2) * scale) < 3
    assert abs(box["y"] - picture["y"] - (BOX["y"] - BOX["height"] / 2) * scale) < 3
    page.get_by_label("dent (2)").uncheck()
    assert shapes.count() == 3
    page.get_by_label("Confidence at least").fill("0.85")
    page.get_by_label("Confidence at least").dispatch_event("input")
    assert shapes.count() == 1
    facts = page.locator(".facts").inner_text()
    assert all(text in facts for text in (event_id, "press-4", "shift", "crate", "14"))
    page.get_by_text("6 found").click()
    assert "blurred" in page.locator("table").inner_text()


def test_image_and_json_can_be_kept(page, open_site):
    """As files, under the id of the event."""
    event_id = Api(open_site).post("/v2/events", json=_detected("dent")).json()["id"]
    page.goto(f"{open_site.url}/events/{event_id}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSON").click()
    assert json.loads(download.value.path().read_text())["eventId"] == event_id
    with page.expect_download() as download:
        page.get_by_role("link", name="Download output picture").click()
    assert download.value.path().read_bytes().startswith(b"\xff\xd8")


def test_the_list_updates_itself_and_keeps_the_focus(page, open_site):
    """Nobody reloads; whoever goes through the list by keyboard stays where they are."""
    api = Api(open_site)
    first = api.post("/v2/events", json=device_event(1)).json()["id"]
    page.goto(open_site.url)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/events/{first}"
    api.post("/v2/events", json=device_event(2))
    expect(page.locator("#events a.event")).to_have_count(2, timeout=10_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"/events/{first}"
    assert "2 events today" in page.locator("figcaption").inner_text().lower()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/events/*")
    assert first not in page.url
    page.keyboard.press("j")
    page.wait_for_url(f"**/events/{first}")
    page.keyboard.press("u")
    page.wait_for_url(open_site.url + "/")


def test_a_rejected_event_shows_the_words_of_the_server_and_is_retried(page, make_site, tmp_path):
    """The delivery history says what happened; the page follows without a reload."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    device = make_site("device", server_keys="", destination="cloud", api_base_url=cloud.url, api_key=KEY)
    cloud.fault = lambda request: Fault(status=422, body='{"error": "the lid is upside down"}')
    event_id = Api(device).post("/v2/events", json=device_event(None)).json()["id"]
    wait_until(lambda: device.store.counts().rejected == 1)
    page.goto(device.url)
    page.get_by_role("link", name=re.compile("rejected", re.IGNORECASE)).first.click()
    page.locator("#events a.event").click()
    assert "the lid is upside down" in page.locator(".history").inner_text()
    cloud.fault = lambda request: None
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#way .state")).to_have_text("delivered", timeout=15_000)
    history = page.locator(".history").inner_text()
    assert [word for word in ("recorded", "rejected", "retried", "delivered") if word in history] == [
        "recorded", "rejected", "retried", "delivered",
    ]  # fmt: skip
    assert event_id in cloud.ids
    cloud.close()


def test_backup_is_switched_on_the_page(page, make_site, tmp_path):
    """And its state is the first thing that is seen."""
    cloud = Link.to_new_site(tmp_path / "cloud")
    device = make_site("device", server_keys="", destination="cloud", api_base_url=cloud.url, api_key=KEY)
    page.goto(device.url)
    state = page.locator(".backup .figure")
    assert state.inner_text() == "On"
    page.get_by_role("button", name="Turn off").click()
    assert state.inner_text() == "Off"
    Api(device).post("/v2/events", json=device_event(1))
    expect(page.locator(".pending .figure")).to_have_text("1", timeout=10_000)
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".delivered .figure")).to_have_text("1", timeout=10_000)
    cloud.close()


def test_a_script_in_any_value_is_shown_as_text(page, open_site):
    """In a class, the metadata, the data, the device, the use case and the id."""
    api = Api(open_site)
    sent = _detected(SCRIPT)
    sent |= {
        "event_schema": "custom",
        "event_data": {"value": SCRIPT, "externalId": SCRIPT},
        "custom_metadata": {"note": SCRIPT},
        "device_id": SCRIPT[:200],
        "solution": SCRIPT[:200],
    }
    sent["images"][0]["label"] = SCRIPT
    key = "id\"><script>document.title='owned'</script>"
    answer = api.post("/v2/events", json=sent, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    for path in ("/", f"/?class_name={requests.utils.quote(SCRIPT)}&device={requests.utils.quote(SCRIPT)}"):
        page.goto(open_site.url + path)
        assert page.locator("#events").count() == 1
    page.goto(open_site.url)
    page.locator("#events a.event").click()
    page.wait_for_url("**/events/*")
    assert SCRIPT in page.locator(".facts").inner_text()
    assert SCRIPT in page.locator("#toggles").inner_text()
    page.get_by_label(f"{SCRIPT} (1)").uncheck()
    assert page.locator("#overlay .shape:not(.off)").count() == 0
    assert page.title() != "owned"
    page.goto(f"{open_site.url}/events/{requests.utils.quote('<script>alert(1)</script>')}")
    assert "<script>alert(1)</script>" in page.locator("main").inner_text()
    # The browser says of this one that it is not there, which it should.
    page.complaints[:] = [text for text in page.complaints if "404" not in text]


def test_nothing_but_our_own_scripts_may_run(open_site):
    """Should a value ever get into a page as markup after all."""
    policy = requests.get(open_site.url, timeout=5).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "event"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_at_the_width_of_a_phone(browser, open_site, path, scheme):
    """No page scrolls sideways, in light or dark."""
    api = Api(open_site)
    sent = _detected("dent", "a very long name of a class that somebody trained a model with")
    sent |= {"custom_metadata": {"k" * 90: "v" * 300}, "device_id": "d" * 200}
    event_id = api.post("/v2/events", json=sent).json()["id"]
    context = browser.new_context(viewport={"width": 360, "height": 780}, color_scheme=scheme)
    page = context.new_page()
    page.goto(open_site.url + (path if path == "/" else f"/events/{event_id}"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(number) for number in re.findall(r"\d+", ground)[:3]) / 3
    assert (light > 128) is (scheme == "light")
    context.close()


def test_a_long_list_is_paged(page, open_site):
    """Older events are one link away, and no event is shown twice."""
    api = Api(open_site)
    now = datetime.now(timezone.utc)
    events = [
        cloud_event(f"p{number:03}", timestamp=(now - timedelta(seconds=number)).isoformat())
        for number in range(95)
    ]
    assert api.post("/vision-events/batch", json={"events": events}).status_code == 201
    page.goto(open_site.url)
    seen: list[str] = []
    for _ in range(3):
        seen += page.eval_on_selector_all(
            "#events a.event", "rows => rows.map((row) => row.getAttribute('href'))"
        )
        following = page.get_by_role("link", name="Older")
        if following.count():
            following.click()
            page.wait_for_url("**cursor=*")
    assert seen == [f"/events/p{number:03}" for number in range(95)]


def test_two_pages_show_the_same_events(page, make_site, tmp_path):
    """A device and the site that it backs up to."""
    site = make_site("site", server_keys="", use_cases=("uc",))
    device = make_site("device", server_keys="", destination=site.url)
    api = Api(device)
    for number in range(4):
        api.post("/v2/events", json=_detected(*"abcd"[: number + 1]))
    wait_until(lambda: device.store.counts().delivered == 4)
    shown = []
    for place in (device, site):
        page.goto(place.url)
        rows = page.locator("#events a.event")
        shown.append([rows.nth(number).inner_text() for number in range(rows.count())])
        images = page.eval_on_selector_all(
            "#events img", "all => all.map((image) => image.getAttribute('src'))"
        )
        shown[-1] += images
    assert len(shown[0]) == 8
    assert shown[0] == shown[1]


def test_the_documentation_of_the_api_needs_no_network(page, open_site):
    """Its scripts come from an installed package."""
    page.goto(f"{open_site.url}/docs")
    page.get_by_text("/vision-events/upload").first.wait_for()
