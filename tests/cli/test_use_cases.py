"""`vision-events use-cases`, wherever the events of the device go."""

from __future__ import annotations

import pytest

from tests.site import KEY


@pytest.fixture(params=["cloud", "an Event Store", "here"])
def places(request, online, cloud):
    """What a shell says of each destination."""
    return {
        "cloud": online,
        "an Event Store": {"VISION_EVENTS_DESTINATION": cloud.site.url, "EVENT_INGESTION_API_KEY": KEY},
        "here": {"VISION_EVENTS_DESTINATION": "here"},
    }[request.param]


def test_the_life_of_a_use_case(command, places):
    """Made, listed, renamed, archived, brought back."""
    assert command("use-cases", "create", "Lid check", **places).stdout == "lid-check\n"
    listed = command("use-cases", "list", "--json", **places).json
    assert ("lid-check", "Lid check", "active") in [
        (case["id"], case["name"], case["status"]) for case in listed
    ]
    assert (
        command("use-cases", "rename", "lid-check", "Lids", **places).stdout == "lid-check is called Lids.\n"
    )
    assert command("use-cases", "archive", "lid-check", **places).stdout == "lid-check is archived.\n"
    assert "lid-check" not in command("use-cases", "list", **places).stdout
    archived = command("use-cases", "list", "--archived", **places).stdout.splitlines()
    assert archived[1].split() == ["lid-check", "Lids", "inactive"]
    assert command("use-cases", "unarchive", "lid-check", **places).stdout == "lid-check is active.\n"


def test_one_that_is_not_there_or_taken_is_told(command, places):
    """In the words of the destination."""
    unknown = command("use-cases", "rename", "nowhere", "x", **places)
    assert unknown.returncode == 1
    assert "'nowhere' does not exist" in unknown.stderr
    assert command("use-cases", "archive", "nowhere", **places).returncode == 1
    command("use-cases", "create", "Lids", **places)
    taken = command("use-cases", "create", "lids", **places)
    assert taken.returncode == 1
    assert "lids" in taken.stderr.lower()


@pytest.mark.parametrize("name", ["", "  ", "x" * 257])
def test_a_name_that_is_none_is_refused(command, online, cloud, name):
    """Before anything is sent."""
    done = command("use-cases", "create", name, **online)
    assert done.returncode == 2
    assert "give 1 to 256" in done.stderr
    assert cloud.requests == []


def test_a_folder_has_no_use_cases(command):
    """Bundles name whatever they like."""
    done = command("use-cases", "list", VISION_EVENTS_DESTINATION="file:///tmp")
    assert done.returncode == 1
    assert "there is no API there" in done.stderr
