"""Options that several commands share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from vision_event_block.store.listing import Filter

_SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_STATES = ("pending", "delivered", "rejected")
_TYPES = ("quality_check", "inventory_count", "safety_alert", "custom", "operator_feedback")


def moment(text: str) -> datetime:
    """`2h`, `30min` or `7d` ago, `today`, `yesterday`, or a date or time in ISO 8601, local unless it says."""
    wanted = text.strip().lower()
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if wanted in ("today", "yesterday"):
        return midnight if wanted == "today" else midnight - timedelta(days=1)
    if span := _SPAN.fullmatch(wanted):
        return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: give 2h, 30min, 7d, today, yesterday, 2026-05-04 or 2026-05-04T07:08:09."
        ) from None


def _one_of(*allowed: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - a callback as typer takes it
    def check(values: list[str]) -> list[str]:
        for value in values:
            if value not in allowed:
                raise typer.BadParameter(f"{value!r} is none of {', '.join(allowed)}.")
        return values

    return check


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
States = Annotated[
    list[str],
    typer.Option(
        "--state", help="pending, delivered or rejected; may be repeated.", callback=_one_of(*_STATES)
    ),
]
Types = Annotated[
    list[str], typer.Option("--type", help="Event type; may be repeated.", callback=_one_of(*_TYPES))
]
UseCase = Annotated[str | None, typer.Option("--use-case", help="Id of the use case.")]
ClassName = Annotated[str | None, typer.Option("--class", help="Found in one of the images.")]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Captured then or later: 2h, today, 2026-05-04."),
]
Until = Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Captured before then.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def filter_of(
    states: list[str],
    types: list[str],
    use_case: str | None,
    class_name: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Filter:
    """What these options ask the store for."""
    return Filter(
        use_case=use_case,
        states=tuple(states),  # type: ignore[arg-type] # checked by the callback
        event_types=tuple(types),
        class_name=class_name,
        since=since.timestamp() if since else None,
        until=until.timestamp() if until else None,
    )
