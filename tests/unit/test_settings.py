"""Settings come from the environment, under the names that the host uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from vision_event_block.settings import Settings


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/var/lib/x.db", "/var/lib/x.db"),
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
        ("sqlite:///x.db", str(Path.cwd() / "x.db")),
        ("x.db", str(Path.cwd() / "x.db")),
    ],
)
def test_the_store_is_a_path_or_a_url(monkeypatch, value, path):
    """As SQLAlchemy writes them."""
    monkeypatch.setenv("VISION_EVENTS_STORE", value)
    assert str(Settings().store_path) == path


@pytest.mark.parametrize("value", ["postgresql://h/db", "sqlite://x.db"])
def test_a_store_that_is_not_understood_is_named(value):
    """With an example of what is."""
    with pytest.raises(ValueError, match="VISION_EVENTS_STORE"):
        _ = Settings(store=value).store_path


def test_without_a_place_the_store_is_in_the_users_data_folder(monkeypatch, tmp_path):
    """Where programs of this user keep what must stay."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Settings().store_path == tmp_path / "vision-events" / "events.db"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "https://api.roboflow.com"),
        ({"ROBOFLOW_REGION": "eu"}, "https://api.roboflow.eu"),
        ({"API_BASE_URL": "http://127.0.0.1:1/"}, "http://127.0.0.1:1"),
    ],
)
def test_the_cloud_is_that_of_the_region_unless_named(monkeypatch, environment, url):
    """The inference server's own variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().cloud_url == url


@pytest.mark.parametrize("headers", ["", "no json", "[1]", "7"])
def test_extra_headers_that_are_no_object_are_ignored(monkeypatch, headers):
    """The inference server does so, and a camera must not stop here either."""
    monkeypatch.setenv("ROBOFLOW_API_EXTRA_HEADERS", headers)
    assert Settings().extra_headers == {}


def test_a_gateway_without_a_scheme_is_https():
    """And takes the whole address as its query."""
    url = Settings(secure_gateway="gate.local").through_gateway("https://api.roboflow.com/vision-events")
    assert url == "https://gate.local/proxy?url=https%3A%2F%2Fapi.roboflow.com%2Fvision-events"


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch):
    """As compose files leave them; the inference server then looks under the next name, too."""
    monkeypatch.setenv("VISION_EVENTS_MAX_BYTES", "")
    monkeypatch.setenv("ROBOFLOW_API_KEY", "")
    monkeypatch.setenv("API_KEY", "sesame")
    assert Settings().max_bytes == Settings.model_fields["max_bytes"].default
    assert Settings().authorization == "Bearer sesame"


def test_secrets_are_not_shown():
    """Not the key, and not the headers that may hold one."""
    settings = Settings(api_key="sesame", api_extra_headers='{"Authorization": "sesame"}')
    assert "sesame" not in repr(settings) + str(settings)
    assert settings.authorization == "sesame"
