"""Writes what the ledger says into the table of docs/reliability.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- ledger -->\n", "<!-- /ledger -->\n"
_COLUMNS = ("fault", "what was done", "events", "lost", "twice", "out of order", "orphaned", "answer lost")


def main(ledger: Path, page: Path) -> None:
    """Replaces the table between the marks."""
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(head + BEGIN + _table(rows) + END + tail)
    print(f"{sum(row['events'] for row in rows)} events in {page}")


def _table(rows: list[dict[str, Any]]) -> str:
    """One row for each fault: that with the most events, which is the long one."""
    longest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["test"], row["fault"])
        if key not in longest or row["events"] > longest[key]["events"]:
            longest[key] = row
    lines = [f"| {' | '.join(_COLUMNS)} |", "| --- | --- |" + " ---: |" * 6]
    for _, row in sorted(longest.items()):
        numbers = [row[name] for name in ("events", "lost", "twice", "disordered", "orphaned", "excused")]
        lines.append(
            f"| {row['fault']} | {row['done']} | {' | '.join(f'{number:,}' for number in numbers)} |"
        )
    totals = [
        sum(row[name] for row in longest.values())
        for name in ("events", "lost", "twice", "disordered", "orphaned", "excused")
    ]
    lines.append(f"| **all** | | {' | '.join(f'**{number:,}**' for number in totals)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
