"""The README is true."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
import typer

from tests.site import KEY
from vision_event_block import VisionEventsClient
from vision_event_block.cli.app import app
from vision_event_block.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _variables() -> set[str]:
    names = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names |= set(alias.choices) if alias is not None else {f"VISION_EVENTS_{name.upper()}"}
    return names


def test_every_setting_is_documented_and_every_documented_one_exists():
    """In the table of settings."""
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", table)) - {"HTTPS_PROXY", "REQUESTS_CA_BUNDLE"}
    assert documented == _variables()


def test_the_python_of_the_readme_runs(cloud, tmp_path, monkeypatch, capsys):
    """The recorder without a network, then the client; each prints what it says."""
    recording, calling = _blocks("python")
    monkeypatch.setenv("VISION_EVENTS_STORE", str(tmp_path / "events.db"))
    exec(compile(recording, "README.md", "exec"), {})
    assert " recorded " in capsys.readouterr().out
    cloud.site.store.use_cases.add("lid-check")
    monkeypatch.setenv("API_BASE_URL", cloud.url)
    monkeypatch.setenv("ROBOFLOW_API_KEY", KEY)
    exec(compile(calling, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith(" {'result': 'fail'}\n")


def test_every_method_of_the_client_is_documented():
    """And none that does not exist."""
    table = README.partition("## The REST API from Python")[2].partition("Errors carry")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    public = {name for name, value in vars(VisionEventsClient).items() if callable(value) and name[0] != "_"}
    assert documented == public - {"close"}


def test_every_command_is_documented():
    """With its subcommands, and none that does not exist."""
    table = README.partition("| command | |")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    documented = {name for commands, _ in rows for name in re.findall(r"`([a-z-]+)`", commands)}
    known = typer.main.get_command(app).commands
    assert documented == set(known)
    for name in ("use-cases", "backup"):
        (words,) = [words for commands, words in rows if f"`{name}`" in commands]
        assert set(re.findall(r"`([a-z-]+)`", words)) == set(known[name].commands)


@pytest.mark.skipif(
    importlib.util.find_spec("roboflow_workflows") is None, reason="the engine is not installed"
)
def test_every_field_and_output_of_the_step_is_documented():
    """In the two tables, and none that does not exist."""
    from vision_event_block.blocks.vision_event.v1.manifest import VisionEventManifestV1

    section = README.partition("| field |")[2].partition("\nA wrong definition")[0]
    fields, outputs = section.split("| output |")
    first_cells = " ".join(line.split("|")[1] for line in fields.splitlines() if line.count("|") > 2)
    ours = set(VisionEventManifestV1.model_fields) - {"type", "name", "step_key"} | {"use_case"}
    assert set(re.findall(r"`(\w+)`", first_cells)) == ours
    first_cells = " ".join(line.split("|")[1] for line in outputs.splitlines() if line.count("|") > 2)
    assert set(re.findall(r"`(\w+)`", first_cells)) == {
        output.name for output in VisionEventManifestV1.describe_outputs()
    }


@pytest.mark.skipif(
    importlib.util.find_spec("roboflow_workflows") is None, reason="the engine is not installed"
)
@pytest.mark.parametrize("block", _blocks("json"))
def test_the_json_of_the_readme_is_a_valid_step(block):
    """As the engine reads it."""
    from vision_event_block.blocks.vision_event.v1.manifest import VisionEventManifestV1

    VisionEventManifestV1.model_validate(json.loads(block))


def test_every_make_target_of_the_readme_exists():
    """And each does its own set-up."""
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^\$ make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}: \$\(READY\)", makefile, re.MULTILINE)


def test_every_test_that_stands_behind_a_promise_exists():
    """And every promise of the README has one."""
    page = (ROOT / "docs/reliability.md").read_text()
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert {name for name in named if f"def {name}(" not in sources} == set()
    rows = re.findall(r"^\| (\d)\. ", page, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 9)]
