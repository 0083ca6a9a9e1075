"""The README is true."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("block", _blocks("python"))
def test_the_python_of_the_readme_runs(block, tmp_path, monkeypatch, capsys):
    """And records what it says."""
    monkeypatch.setenv("VISION_EVENTS_STORE", str(tmp_path / "events.db"))
    exec(compile(block, "README.md", "exec"), {})
    assert " recorded " in capsys.readouterr().out


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
