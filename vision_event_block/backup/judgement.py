"""Who is to blame for a failed event: the event, or the route it was sent on."""

from __future__ import annotations

from collections.abc import Sequence

from vision_event_block.backoff import backoff
from vision_event_block.backup.destination import Settle
from vision_event_block.backup.policy import Trouble, trouble_of
from vision_event_block.errors import DeliveryError
from vision_event_block.store.model import Claimed, Outcome


class Judgement:
    """Settles the events of one delivery, and remembers how the others fared."""

    def __init__(self, settle: Settle) -> None:
        self._settle = settle
        self._failed = 0
        self._succeeded = False

    def delivered(self, events: Sequence[Claimed], words: str = "") -> None:
        """The destination has them."""
        if events:
            self._succeeded = True
            self._settle([Outcome(event.seq, "delivered", words=words) for event in events])

    def rejected(self, event: Claimed, reason: str) -> None:
        """It can never be delivered as it is."""
        self._settle([Outcome(event.seq, "rejected", reason)])

    def failed(self, event: Claimed, error: DeliveryError) -> Trouble | None:
        """A request with just this event failed. Returns what is wrong with the route, if anything is."""
        if error.is_refusal:
            self.rejected(event, str(error))
            return None
        if not error.may_be_the_events_fault:
            return trouble_of(error)
        due_in = backoff(event.attempts + 1)
        self._settle([Outcome(event.seq, "pending", str(error), due_in=due_in, counts=True)])
        self._failed += 1
        # One event that the server stumbles over is its own affair; two and no success are the server's.
        return trouble_of(error) if self._failed > 1 and not self._succeeded else None

    def stopped(self, error: DeliveryError) -> Trouble:
        """A request failed for a reason that has nothing to do with the events in it."""
        return trouble_of(error)
