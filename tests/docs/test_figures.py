"""The figures of the documents are those that their make targets wrote, and say what the text says."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def _table(page: str, mark: str) -> list[list[str]]:
    text = (DOCS / page).read_text()
    inside = text.partition(f"<!-- {mark} -->\n")[2].partition(f"<!-- /{mark} -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside.splitlines()]
    assert len(rows) > 2, f"{page} has no figures: run its make target"
    return rows[2:]


def test_no_fault_lost_doubled_disordered_or_orphaned_anything():
    """In any row, and every fault that is known was tried."""
    rows = _table("reliability.md", "ledger")
    for fault, _, events, *costs, _ in rows:
        assert int(events.strip("*").replace(",", "")) > 0, fault
        assert [cost.strip("*") for cost in costs] == ["0"] * 4, fault
    names = " ".join(row[0] for row in rows)
    for fault in (
        "SIGKILL",
        "power cut",
        "clock",
        "damaged file",
        "disk",
        "overload",
        "429",
        "503",
        "reset",
        "exit",
    ):
        assert fault in names


def test_the_table_of_the_benchmark_is_that_of_its_figures():
    """And the text explains each row that is missed."""
    figures = json.loads((DOCS / "benchmarks.json").read_text())["rows"]
    rows = _table("benchmarks.md", "table")
    assert [row[0] for row in rows] == [row["name"] for row in figures]
    explained = (DOCS / "benchmarks.md").read_text().partition("where a row is missed")[2].lower()
    for row in figures:
        if not row["is_reached"]:
            assert re.sub(r"[(,].*", "", row["name"]).strip().lower() in explained, row["name"]
