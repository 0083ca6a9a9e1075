"""What every destination of the backup can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vision_event_block.backup.policy import Trouble
from vision_event_block.store.model import Claimed, Outcome

Settle = Callable[[Sequence[Outcome]], None]


class Destination(Protocol):
    """Carries claimed events to one place with one credential."""

    def deliver(self, events: Sequence[Claimed], settle: Settle) -> Trouble | None:
        """Delivers what it can.

        Args:
            events: Claimed events, oldest first.
            settle: Called with outcomes as soon as they are certain. An event without an
                outcome stays pending.

        Returns:
            What is wrong with the route, if anything is.
        """
        ...

    def close(self) -> None: ...
