"""What all commands have in common."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT

READING = [
    ("status",), ("list",), ("backup", "status"), ("use-cases", "list"), ("show", "{id}"), ("doctor", "--quick"),
]  # fmt: skip


def test_the_version_and_the_help_are_told(command):
    """With examples in the help of a command, one to a line."""
    assert command("--version").stdout == "vision-events 0.1.0\n"
    assert "Exit codes: 0 done" in command("-h").stdout
    lines = command("list", "--help").stdout.splitlines()
    assert "  vision-events list --state rejected" in lines


@pytest.mark.parametrize(
    "arguments",
    [("lsit",), ("list", "--state", "late"), ("show",), ("list", "--since", "5x"), ("retry",), ("drop",)],
)
def test_wrong_usage_has_a_code_of_its_own(command, recorded, arguments):
    """And says which argument is wrong, and what is allowed."""
    recorded()
    done = command(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("list",),
        ("show", "x"),
        ("sync",),
        ("retry", "--all"),
        ("drop", "x"),
        ("export", "out"),
        ("rekey",),
    ],
)
def test_a_wrong_place_is_told_and_makes_no_empty_store(command, store_path, arguments):
    """Whoever mistypes a path must not be told that all is well."""
    done = command(*arguments, ROBOFLOW_API_KEY="k")
    assert done.returncode == 1
    assert f"There is no event store at {store_path}" in done.stderr
    assert not store_path.exists()


def test_the_store_can_be_named_with_an_option(command, recorded, store_path, tmp_path):
    """Instead of the environment."""
    recorded()
    done = command("--store", store_path, "status", VISION_EVENTS_STORE=str(tmp_path / "another.db"))
    assert str(store_path) in done.stdout


@pytest.mark.parametrize("arguments", READING, ids=lambda arguments: arguments[0])
def test_every_reading_command_speaks_json(command, recorded, online, arguments):
    """And nothing else on the output that a program reads."""
    (event_id,) = recorded()
    done = command(*(part.format(id=event_id) for part in arguments), "--json", **online)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_output_that_is_piped_has_no_colours_and_whole_lines(command, recorded):
    """A line for a program is a line, however narrow a terminal would be."""
    recorded(use_case="u" * 120)
    done = command("list")
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 2
    assert "u" * 120 in done.stdout


def test_signs_that_steer_a_terminal_are_not_passed_on(command, recorded):
    """Metadata are anybody's text; so are texts in square brackets that a formatter would read."""
    evil = "\x1b]0;owned\x07[red]x[/red]\u202e"
    recorded(event_type="custom", data={"value": evil}, metadata={"note": evil})
    for done in (command("list"), command("show", command("list", "--json").json[0]["id"])):
        assert "[red]x[/red]" in done.stdout
        assert not set("\x1b\x07\u202e") & set(done.stdout)


def test_who_only_looks_delivers_nothing(command, recorded, cloud, online):
    """Neither while it runs nor when it ends."""
    (event_id,) = recorded()
    for arguments in (("status",), ("list",), ("show", event_id), ("backup", "status")):
        assert command(*arguments, VISION_EVENTS_EXIT_FLUSH_SECONDS="3", **online).returncode == 0
    assert cloud.requests == []


def test_a_store_that_cannot_be_opened_is_an_error_that_says_so(command, tmp_path):
    """With its place."""
    (tmp_path / "a file").write_text("")
    done = command("backup", "status", VISION_EVENTS_STORE=str(tmp_path / "a file" / "events.db"))
    assert done.returncode == 1
    assert "a file/events.db cannot be used" in done.stderr


def test_a_wrong_setting_is_an_error_that_names_it(command):
    """With its value."""
    done = command("backup", "status", VISION_EVENTS_DESTINATION="moon")
    assert done.returncode == 1
    assert "VISION_EVENTS_DESTINATION is none of cloud, here, file:///folder or a URL: 'moon'" in done.stderr


def test_without_its_packages_it_says_what_to_install():
    """They are an extra."""
    code = "import sys; sys.modules['typer'] = None; from vision_event_block.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "The command line needs packages that are not installed: pip install 'vision-event-block[cli]'\n"
    )
