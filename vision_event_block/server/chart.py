"""Events over time by type, as bars of an inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from vision_event_block.event_data import EventType
from vision_event_block.store.interface import Catalog

EVENT_TYPES: tuple[str, ...] = get_args(EventType)
WIDTH, HEIGHT = 960, 200
_LEFT, _BOTTOM, _TOP = 44, 24, 12
_GAP = 2.0


@dataclass(frozen=True)
class Span:
    """The time that is looked at, and in how many parts."""

    name: str
    title: str
    since: datetime
    until: datetime
    steps: int
    tick_every: int
    tick_format: str


@dataclass(frozen=True)
class Piece:
    """The events of one type in one bar."""

    event_type: str
    number: int
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """The events of one part of the time."""

    x: float
    width: float
    since: datetime
    until: datetime
    total: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Chart:
    """Everything that is drawn; coordinates are those of a view box of 960 x 200."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[tuple[float, str], ...]
    totals: Mapping[str, int]
    total: int


def span_named(span: str = "today") -> Span:
    """The span of this name; today if there is none."""
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if span == "hour":
        until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return Span("hour", "the last hour", until - timedelta(hours=1), until, 60, 10, "%H:%M")
    if span == "week":
        until = midnight + timedelta(days=1)
        return Span("week", "the last 7 days", until - timedelta(days=7), until, 28, 4, "%a %d")
    return Span("today", "today", midnight, midnight + timedelta(days=1), 24, 3, "%H:%M")


def draw(catalog: Catalog, span: Span) -> Chart:
    """The chart of a span."""
    series = catalog.over_time(span.since, span.until, span.steps)
    top = _round_up(max((sum(part.values()) for part in series), default=0))
    step = (span.until - span.since) / span.steps
    width = (WIDTH - _LEFT) / span.steps
    bars = tuple(
        Bar(
            x=_LEFT + index * width + _GAP / 2,
            width=width - _GAP,
            since=span.since + index * step,
            until=span.since + (index + 1) * step,
            total=sum(part.values()),
            pieces=_stack(part, top),
        )
        for index, part in enumerate(series)
    )
    totals = {t: sum(part.get(t, 0) for part in series) for t in EVENT_TYPES}
    return Chart(
        bars=bars,
        ticks=tuple(
            (_LEFT + index * width, bars[index].since.strftime(span.tick_format))
            for index in range(0, span.steps, span.tick_every)
        ),
        lines=tuple((_y(share * top, top), f"{share * top:g}") for share in (0.0, 0.5, 1.0)),
        totals={t: number for t, number in totals.items() if number},
        total=sum(totals.values()),
    )


def _stack(part: Mapping[str, int], top: int) -> tuple[Piece, ...]:
    pieces = []
    below = 0
    for event_type in EVENT_TYPES:
        number = part.get(event_type, 0)
        if number:
            y = _y(below + number, top)
            pieces.append(Piece(event_type, number, y, _y(below, top) - y))
            below += number
    return tuple(pieces)


def _y(number: float, top: int) -> float:
    return _TOP + (HEIGHT - _BOTTOM - _TOP) * (1 - number / top)


def _round_up(number: int) -> int:
    """The top of the scale: an even number that is easy to read."""
    size: int = 10 ** (len(str(number)) - 1)
    return next(top for top in (2, 4, 6, 8, 10) if top * size >= number) * size
