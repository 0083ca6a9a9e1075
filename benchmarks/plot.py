"""The table as a picture: how many times of the stock block, or of the limit, each row costs."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.rows import Row

# Nothing at all has no place on a logarithmic scale.
_LEAST = 0.002
_REACHED, _MISSED = "#3b7dd8", "#c0392b"


def draw(table: list[Row], path: Path) -> None:
    """One bar for each row, on a logarithmic scale around 1: the same as the stock block, or as the limit."""
    figure, axes = plt.subplots(figsize=(11, 0.42 * len(table) + 1.2))
    names = [row.name for row in table]
    ratios = [max(row.ratio, _LEAST) for row in table]
    axes.barh(
        names,
        [ratio - 1 for ratio in ratios],
        left=1,
        color=[_REACHED if row.is_reached else _MISSED for row in table],
        height=0.6,
    )
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    for number, row in enumerate(table):
        axes.annotate(
            f" {row.ratio:.2f} ",
            (ratios[number], number),
            va="center",
            ha="left" if row.ratio >= 1 else "right",
            fontsize=9,
        )
    low, high = min(ratios), max(ratios)
    axes.set_xlim(low / 2.2, high * 2.2)
    axes.set_xlabel("ours / stock block, or ours / limit", fontsize=9)
    axes.set_title(
        "Red: short of what must be reached. Of what is delivered more is better, of all else less.",
        fontsize=9,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
