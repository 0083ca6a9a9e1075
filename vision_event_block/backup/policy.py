"""When to try again, and when not to: one place for every rule of delivery."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from vision_event_block.errors import ApiError, AuthenticationError, DeliveryError, PayloadRejected

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0
AUTHENTICATION_PROBE = 60.0
# After so many failures in a row one event at a time is risked until one gets through.
PROBE_AFTER = 5


def backoff(
    failures: int, retry_after: float | None = None, rand: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after the n-th failure in a row: full jitter over 1, 2, 4 … 300 s.

    A Retry-After is a floor, and is itself limited: a wrong header must not park a device for a day.
    """
    ceiling = min(FIRST_DELAY * 2.0 ** min(max(failures - 1, 0), 16), LONGEST_DELAY)
    return max(rand() * ceiling, min(retry_after or 0.0, LONGEST_DELAY))


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


def is_refusal(error: DeliveryError) -> bool:
    """Whether the destination refused what was sent, so that sending it again would not help."""
    return isinstance(error, PayloadRejected)


def trouble_of(error: DeliveryError) -> Trouble:
    """What a failure that is no refusal means for the route."""
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    return Trouble(str(error), retry_after, is_credential=isinstance(error, AuthenticationError))


def may_be_the_events_fault(error: DeliveryError) -> bool:
    """Whether an event can have caused this answer: a refusal or a plain 500, no overload and no outage."""
    return is_refusal(error) or (isinstance(error, ApiError) and error.status == 500)
