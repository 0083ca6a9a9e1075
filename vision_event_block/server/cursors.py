"""Places in a list of events, as opaque texts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from vision_event_block.errors import InvalidEvent
from vision_event_block.mending import shown
from vision_event_block.store.listing import Cursor, Listed

_LARGEST = 2**63 - 1


def after(events: Sequence[Listed], limit: int) -> str | None:
    """The cursor to go on from, or None where these are the last. Ask the store for one more than `limit`."""
    if len(events) <= limit:
        return None
    return base64.urlsafe_b64encode(json.dumps(events[limit - 1].cursor).encode()).decode().rstrip("=")


def read(text: str | None) -> Cursor | None:
    """The place that a cursor names.

    Raises:
        InvalidEvent: If it is none of ours.
    """
    if not text:
        return None
    try:
        captured_at, seq = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(seq, int) or not 0 <= seq <= _LARGEST:
            raise ValueError(seq)
        return Cursor(float(captured_at), seq)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise InvalidEvent(
            f"cursor: {shown(text)} is no cursor of this service: give one that a query answered."
        ) from None
