"""When to try again, and when not to: one place for every rule of delivery."""

from __future__ import annotations

from dataclasses import dataclass

from vision_event_block.backoff import LONGEST_DELAY, backoff
from vision_event_block.errors import ApiError, AuthenticationError, DeliveryError

AUTHENTICATION_PROBE = 60.0
# After so many failures in a row one event at a time is risked until one gets through.
PROBE_AFTER = 5


@dataclass(frozen=True)
class Trouble:
    """A failure that says nothing about an event but something about its route.

    Attributes:
        reason: For people.
        retry_after: Seconds that the server asked to wait.
        is_credential: The key was refused: waiting for a better one, with a probe now and then.
    """

    reason: str
    retry_after: float | None = None
    is_credential: bool = False

    def pause(self, failures: int) -> float:
        """Seconds for which the route rests after this, the n-th failure in a row."""
        if self.is_credential:
            return max(AUTHENTICATION_PROBE, min(self.retry_after or 0.0, LONGEST_DELAY))
        return backoff(failures, self.retry_after)


def trouble_of(error: DeliveryError) -> Trouble:
    """What a failure that is no refusal means for the route."""
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    return Trouble(str(error), retry_after, is_credential=isinstance(error, AuthenticationError))
