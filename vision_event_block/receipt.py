"""What a caller is told of an event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vision_event_block.draft import Composition
from vision_event_block.store.model import Recorded, State

Status = Literal["recorded", "delivered", "throttled", "disabled", "refused"]


@dataclass(frozen=True)
class Receipt:
    """What became of one event.

    Attributes:
        event_id: The id under which the event is on disk; empty if it was refused.
        status: `recorded`, `delivered` or `refused`.
        message: One or more sentences for people, with all that was mended.
        error: Whether what was asked for did not happen.
    """

    event_id: str
    status: Status
    message: str
    error: bool = False

    @classmethod
    def of(cls, composition: Composition, message: str, answer: Recorded | None = None) -> Receipt:
        """The receipt of an event that the store has, or is about to have."""
        status: Status = "delivered" if answer is not None and answer.state == "delivered" else "recorded"
        return cls(composition.event.event_id, status, _sentences(message, *composition.notes))

    @classmethod
    def refused(cls, error: Exception) -> Receipt:
        """The receipt of an event that was not recorded."""
        return cls("", "refused", f"Not recorded: {error}", error=True)

    def confirmed(self, state: State, reason: str) -> Receipt:
        """The receipt of somebody who waited for the destination."""
        notes = self.message.partition(". ")[2]
        if state == "delivered":
            return replace(self, status="delivered", message=_sentences("Delivered.", notes))
        if state == "rejected":
            message = f"The destination rejected the event, and it is set aside on this device: {reason}"
            return replace(self, status="refused", error=True, message=_sentences(message, notes))
        message = (
            f"Recorded on this device, not confirmed by the destination: {reason}. The backup keeps trying."
        )
        return replace(self, error=True, message=_sentences(message, notes))


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
