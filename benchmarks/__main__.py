"""`python -m benchmarks`: runs everything, prints one table, writes it into docs/ as JSON, plot and page."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.contestant import SCENARIOS
from benchmarks.plot import draw
from benchmarks.rows import Figures, Row, rows

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"
# Turn by turn, so that what else the machine does meets both.
TURNS = ("stock", "ours", "stock", "ours")
# Once is enough for what is counted and not timed, and for what takes long.
ONCE = ("one frame in three steps", "memory when stalled")


def main() -> None:
    """Under ten minutes on two cores."""
    standin = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.standin"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert standin.stdout is not None
    url = f"http://127.0.0.1:{standin.stdout.readline().strip()}"
    try:
        figures = _compare(url)
        store = dict(_lines([sys.executable, "-m", "benchmarks.store", url], dict(os.environ)))
    finally:
        standin.kill()
    table = rows(figures, store)
    _print(table)
    _write(table, figures, store)


def _compare(url: str) -> Figures:
    figures: Figures = defaultdict(lambda: defaultdict(list))
    seen: set[str] = set()
    for kind in TURNS:
        wanted = [
            name
            for name in SCENARIOS
            if not (kind in seen and name in ONCE) and not (kind == "stock" and name in _OURS_ONLY)
        ]
        seen.add(kind)
        with tempfile.TemporaryDirectory() as folder:
            environment = {
                **os.environ, "API_BASE_URL": url, "ROBOFLOW_API_KEY": "key", "WORKFLOWS_PLUGINS": "vision_event_block",
                "VISION_EVENTS_STORE": f"{folder}/events.db", "OFFLINE_MODE": "False",
            }  # fmt: skip
            command = [sys.executable, "-m", "benchmarks.contestant", kind, url, *wanted]
            for name, found in _lines(command, environment):
                print(f"{kind}: {name}: {_short(found)}", file=sys.stderr)
                figures[kind][name].append(found)
    return figures


# These need nothing of the stock block: the limit is JPEG encoding.
_OURS_ONLY = ("jpeg alone", "added waiting for storage")


def _lines(command: list[str], environment: dict[str, str]) -> list[tuple[str, Any]]:
    found = []
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, err = process.communicate(timeout=900)
    for line in out.splitlines():
        found += json.loads(line).items()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{err[-3000:]}")
    return found


def _short(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


def _print(table: list[Row]) -> None:
    shown = Table("", "ours", "stock block or limit", "ratio", "must be", "")
    for row in table:
        shown.add_row(
            row.name,
            row.ours,
            row.theirs,
            f"{row.ratio:.2f}",
            row.must,
            "reached" if row.is_reached else "MISSED",
        )
    Console(width=200).print(shown)


def _write(table: list[Row], figures: Figures, store: dict[str, Any]) -> None:
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    whole = {"machine": machine, "rows": [asdict(row) for row in table], "figures": figures, "store": store}
    (DOCS / "benchmarks.json").write_text(json.dumps(whole, indent=1) + "\n")
    draw(table, DOCS / "benchmarks.png")
    page = DOCS / "benchmarks.md"
    head, _, rest = page.read_text().partition(BEGIN)
    lines = [
        "| | ours | stock block or limit | ratio | must be | |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.ours} | {row.theirs} | {row.ratio:.2f} | {row.must} | {'reached' if row.is_reached else '**missed**'} |"
        for row in table
    ]
    page.write_text(head + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
