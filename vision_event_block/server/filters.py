"""What templates can do with values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from vision_event_block import wording
from vision_event_block.store.listing import Listed


def path_of(event_id: str | None) -> str:
    """An event id as part of an address."""
    return quote(event_id or "", safe="")


def picture(event: Listed) -> str | None:
    """SHA-256 of the picture that stands for an event, if it has one."""
    position = event.parsed.get("displayImagePosition") or 0
    return event.images.get((position, "output")) or event.images.get((position, "input"))


def add_to(environment: Environment) -> None:
    """Makes these filters of templates."""
    filters: tuple[Callable[..., Any], ...] = (
        wording.moment, wording.iso, wording.size, wording.duration, wording.words, wording.headline,
        wording.verdict, wording.found, path_of, picture,
    )  # fmt: skip
    environment.globals["zone"] = wording.zone
    environment.filters.update({filter_.__name__: filter_ for filter_ in filters})
