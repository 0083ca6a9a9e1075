"""Who may come in."""

from __future__ import annotations

import pytest
import requests

from tests.service.conftest import cloud_event, device_event
from tests.site import KEY, OTHER_KEY
from vision_event_block.server.access import Keys
from vision_event_block.server.serve import serve
from vision_event_block.settings import Settings


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {OTHER_KEY}"},
        {"X-API-Key": KEY},
        {"X-API-Key": OTHER_KEY},
    ],
)
def test_each_key_opens_both_contracts(site, headers):
    """As either of them sends it."""
    assert requests.get(f"{site.url}/v2/status", headers=headers, timeout=5).ok
    assert requests.get(f"{site.url}/vision-events/use-cases", headers=headers, timeout=5).ok


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": "Bearer wrong"}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": KEY + "x"}, {"X-API-Key": ""},
        {"Authorization": f"Basic {KEY}"}, {"Authorization": KEY}, {"Cookie": f"vision_events_session={KEY}"},
        {"Cookie": "vision_events_session="}, {"X-API-Key": f"{KEY},{OTHER_KEY}"}, {"X-API-Key": "schl\xfcssel"},
    ],
)  # fmt: skip
def test_a_wrong_key_opens_nothing(site, headers):
    """Neither contract, nor writes."""
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = requests.post(f"{site.url}/vision-events", json=cloud_event(), headers=headers, timeout=5)
    assert (answer.status_code, set(answer.json())) == (401, {"error"})
    answer = requests.post(f"{site.url}/v2/events", json=device_event(), headers=headers, timeout=5)
    assert (answer.status_code, set(answer.json())) == (401, {"detail"})
    assert site.events == {}


def test_a_bundle_may_bring_its_key_in_the_query(site):
    """As its documentation says; a wrong bundle gets further than a wrong key."""
    assert (
        requests.post(f"{site.url}/vision-events/bundle?api_key={KEY}", data=b"", timeout=5).status_code
        == 400
    )
    assert requests.post(f"{site.url}/vision-events/bundle?api_key=x", data=b"", timeout=5).status_code == 401


def test_keys_are_compared_in_constant_time(monkeypatch):
    """Every key is compared, with the comparison made for it, whether or not an earlier one matched."""
    import hmac

    compared = []

    def compare(a, b):
        compared.append((a, b))
        return a == b

    keys = Keys(["first", "second", "third"])
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert keys.accept("first")
    assert not keys.accept("fir")
    assert len(compared) == 6
    assert {len(part) for pair in compared for part in pair} == {32}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "device.local"])
def test_the_network_is_not_let_in_without_a_key(host):
    """It says what to do."""
    with pytest.raises(ValueError, match="VISION_EVENTS_SERVER_KEYS") as raised:
        serve(host, 0, Settings())
    assert host in str(raised.value)


def test_without_a_key_it_answers_to_no_name_but_localhost(make_site):
    """A page of the web could give its own name our address."""
    site = make_site(server_keys="")
    assert requests.get(f"{site.url}/v2/status", timeout=5).ok
    assert requests.get(f"{site.url}/", headers={"Host": "localhost:8001"}, timeout=5).ok
    answer = requests.get(f"{site.url}/v2/status", headers={"Host": "evil.example"}, timeout=5)
    assert answer.status_code == 403
    assert "'evil.example'" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["[", "a b", "[::1", "evil.example@127.0.0.1", ""])
def test_a_host_that_is_none_is_refused(site, host):
    """Whatever it is made to do in the parts behind."""
    answer = requests.get(f"{site.url}/v2/status", headers={"Host": host, "X-API-Key": KEY}, timeout=5)
    assert answer.status_code == 400


def test_another_site_cannot_make_a_browser_change_anything(make_site):
    """The browser says where a request began."""
    site = make_site(server_keys="")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": site.url},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for path, body in (("/backup", {"on": "0"}), ("/retry", {})):
            answer = requests.post(site.url + path, data=body, headers=headers, timeout=5)
            assert answer.status_code == 403
    assert site.store.backup_switch().is_on
    ours = requests.post(f"{site.url}/backup", data={"on": "0"}, headers={"Origin": site.url}, timeout=5)
    assert ours.ok
    assert not site.store.backup_switch().is_on


def test_a_browser_signs_in_once_and_keeps_no_key(site):
    """Its session is a cookie from which the key cannot be had."""
    browser = requests.Session()
    asked = browser.get(f"{site.url}/?state=pending", timeout=5)
    assert "Sign in" in asked.text
    wrong = browser.post(f"{site.url}/sign-in", data={"key": "wrong"}, timeout=5)
    assert wrong.status_code == 401
    assert "This key is wrong" in wrong.text
    signed_in = browser.post(f"{site.url}/sign-in", data={"key": KEY, "to": "/%3Fstate%3Dpending"}, timeout=5)
    assert signed_in.url == f"{site.url}/?state=pending"
    (cookie,) = browser.cookies
    assert KEY not in (cookie.value or "")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    browser.post(f"{site.url}/sign-out", timeout=5)
    assert "Sign in" in browser.get(f"{site.url}/", timeout=5).text


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(site, to):
    """Whatever a link to the page says."""
    answer = requests.post(
        f"{site.url}/sign-in", data={"key": KEY, "to": to}, timeout=5, allow_redirects=False
    )
    assert answer.headers["Location"] == "/"
