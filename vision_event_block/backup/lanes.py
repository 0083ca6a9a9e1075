"""Which claims are under way in this process, and when it is worth beginning another."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

from vision_event_block.event import MAX_BATCH
from vision_event_block.store.model import Route

# A route whose events are all in the hands of other processes is not asked again at once.
_REST = 0.1
# Where more events than these come in a second, they gather for so long from claim to claim: in fewer and fuller
# batches, which servers that count requests like better.
_BUSY = 20
_GATHER = 0.5
# With a full claim behind it there is a backlog, and a second one travels while the first one's answers do.
_CLAIMS_AT_ONCE = 2
# Who waits for a delivery has it begun at once. As many more wait in the queue, where they share requests,
# and leave threads to other routes.
_EXPRESS = 4

Lane = tuple[Route, "int | str"]
"""A route, and which of its claims: its number, or its token if it goes past the queue."""


class Lanes:
    """Each lane has a token as long as it is taken: that of the leases of its events."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[Lane, str] = {}
        self._backlogged: set[Route] = set()
        self._rest_until: dict[Route, float] = {}
        self._claimed_at: dict[Route, float] = {}

    @property
    def tokens(self) -> list[str]:
        """Those of all lanes that are taken."""
        return list(self._tokens.values())

    def token(self, lane: Lane) -> str:
        """That of a lane that is taken."""
        return self._tokens[lane]

    def take(self, route: Route, is_well: bool) -> list[Lane]:
        """Takes as many lanes as it is worth to claim on now; one on a route that is not well."""
        if self.rest(route):
            return []
        several = range(_CLAIMS_AT_ONCE if route in self._backlogged and is_well else 1)
        free: list[Lane] = [(route, number) for number in several if (route, number) not in self._tokens]
        for lane in free:
            self._tokens[lane] = uuid4().hex
        return free

    def take_express(self, route: Route) -> Lane | None:
        """Takes a lane past the queue; None if too many are taken."""
        with self._lock:
            if sum(isinstance(which, str) for _, which in list(self._tokens)) >= _EXPRESS:
                return None
            token = uuid4().hex
            self._tokens[route, token] = token
        return route, token

    def leave(self, lane: Lane) -> None:
        """Gives a lane back."""
        self._tokens.pop(lane, None)

    def is_taken(self, route: Route) -> bool:
        """Whether there is a claim on a route whose end will tell that more can be done."""
        return (route, 0) in self._tokens

    def claimed(self, route: Route, number: int) -> bool:
        """Notes how many events a claim got; true if that was all that one can get."""
        is_full = number == MAX_BATCH
        (self._backlogged.add if is_full else self._backlogged.discard)(route)
        return is_full

    def rest(self, route: Route) -> float:
        """Seconds until it is worth claiming on a route."""
        return max(self._rest_until.get(route, 0.0) - time.monotonic(), 0.0)

    def rest_for(self, route: Route, seconds: float) -> None:
        """Nothing is claimed on a route for so long."""
        self._rest_until[route] = time.monotonic() + seconds

    def rest_after(self, route: Route, began: float, settled: int, is_awaited: bool) -> None:
        """Rests after a claim that began then and settled so many events, if that is worth it."""
        since = began - self._claimed_at.get(route, 0.0)
        self._claimed_at[route] = began
        if not settled:
            self.rest_for(route, _REST)
        elif settled > since * _BUSY and route not in self._backlogged and not is_awaited:
            self._rest_until[route] = began + _GATHER
        else:
            self.hurry(route)

    def hurry(self, route: Route | None = None) -> None:
        """Ends the rest of a route, or of all."""
        if route is None:
            self._rest_until.clear()
        else:
            self._rest_until.pop(route, None)
