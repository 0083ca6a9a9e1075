"""The rows of the benchmark: what is compared, and what must be reached."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What a scenario answered, turn by turn, by contestant and scenario.
Figures = dict[str, dict[str, list[dict[str, Any]]]]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        ours, theirs: With their unit, for people. `theirs` is the stock block or a limit.
        ratio: `ours / theirs`, whichever way is said by `must`.
        must: What must be reached, in words.
        is_reached: Whether it is.
    """

    name: str
    ours: str
    theirs: str
    ratio: float
    must: str
    is_reached: bool


def rows(figures: Figures, store: dict[str, Any]) -> list[Row]:
    """All of them."""

    def median(kind: str, scenario: str, name: str) -> float:
        return statistics.median(turn[name] for turn in figures[kind][scenario])

    def ours(scenario: str, name: str) -> float:
        return median("ours", scenario, name)

    def stock(scenario: str, name: str) -> float:
        return median("stock", scenario, name)

    made: list[Row] = []

    def add(
        name: str, mine: float, theirs: float, unit: str, must: str, test: Callable[[float], bool]
    ) -> None:
        ratio = mine / theirs if theirs else float("inf")
        made.append(Row(name, f"{mine:,.3g} {unit}", f"{theirs:,.3g} {unit}", ratio, must, test(ratio)))

    background = "added in background"
    p50, p99 = "added in background, p50", "added in background, p99"
    mine, theirs = ours(background, "p50"), stock(background, "p50")
    made.append(
        Row(
            p50,
            f"{mine:.2f} ms",
            f"{theirs:.2f} ms",
            mine / theirs,
            "at most 0.2 ms more",
            mine - theirs <= 0.2,
        )
    )
    add(p99, ours(background, "p99"), stock(background, "p99"), "ms", "no worse", lambda r: r <= 1)
    waiting = "added waiting for storage"
    for name, limit in (("p50", 1.5), ("p99", 3.0)):
        add(
            f"added with wait_for: storage, {name}, over JPEG encoding alone", ours(waiting, name), ours(waiting, f"jpeg_{name}"), "ms",
            f"at most {limit}", lambda r, limit=limit: r <= limit,
        )  # fmt: skip
    delivery = "added waiting for delivery"
    add(
        "added with wait_for: delivery, 50 ms latency",
        ours(delivery, "p50"),
        stock(delivery, "p50"),
        "ms",
        "at most 0.67",
        lambda r: r <= 0.67,
    )
    add(
        "the same in one request (Event Store), over the stock block to the cloud", ours("in one request", "p50"), stock(delivery, "p50"), "ms",
        "at most 0.34", lambda r: r <= 0.34,
    )  # fmt: skip
    for ms, times in ((50, 5), (200, 10)):
        scenario = f"throughput at {ms} ms"
        busy = ours(scenario, "machine_busy") / (os.cpu_count() or 1)
        add(
            f"delivered at {ms} ms latency", ours(scenario, "rate"), stock(scenario, "rate"), "events/s",
            f"at least {times}, or the CPU is the limit: the machine is {busy:.0%} busy",
            lambda r, times=times, busy=busy: r >= times or busy > 0.9,
        )  # fmt: skip
    add(
        "CPU of an event, over JPEG encoding alone",
        ours("throughput at 50 ms", "cpu"),
        ours("jpeg alone", "cpu"),
        "ms",
        "at most 1.5",
        lambda r: r <= 1.5,
    )
    for name, limit in (("requests", 2.02), ("connections", 0.02)):
        mine = ours("throughput at 50 ms", name)
        theirs = stock("throughput at 50 ms", name)
        made.append(
            Row(
                f"{name} of an event",
                f"{mine:.3f}",
                f"{theirs:.3f}",
                mine / theirs,
                f"at most {limit}",
                mine <= limit,
            )
        )
    mine, theirs = ours("one frame in three steps", "uploads"), stock("one frame in three steps", "uploads")
    made.append(
        Row(
            "uploads of one frame that three steps send",
            f"{mine:.0f}",
            f"{theirs:.0f}",
            mine / theirs,
            "1",
            mine == 1,
        )
    )
    stalled = "memory when stalled"
    mine, theirs = ours(stalled, "growth"), stock(stalled, "growth")
    frames = (int(ours(stalled, "frames")), int(stock(stalled, "frames")))
    made.append(
        Row(f"memory with the API hanging, 1920x1080, {frames[0]} frames (stock: {frames[1]})", f"{mine:.0f} MiB", f"{theirs:.0f} MiB",
            mine / theirs, "at most 100 MiB", mine <= 100)
    )  # fmt: skip
    many = store["with many events"]
    for what in ("record", "claim"):
        fewest, most = many["1000"][what], max(many[size][what] for size in many)
        add(
            f"{what} with 1,000,000 events in the store, over 1,000",
            most,
            fewest,
            "ms",
            "at most 1.5",
            lambda r: r <= 1.5,
        )
    drained = store["drain"]
    made.append(
        Row("drain of 100,000 events without images, 50 ms latency", f"{drained['rate']:,.0f} events/s", f"{drained['limit']:,.0f} events/s",
            drained["limit"] / drained["rate"], "limit of batches of 100, at most 1.3 times slower", drained["limit"] / drained["rate"] <= 1.3)
    )  # fmt: skip
    return made
