"""What goes into an event store and what it answers; the same for every engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vision_event_block.errors import InvalidEvent, StoreError, StoreFull
from vision_event_block.event import VisionEvent
from vision_event_block.images import EncodedImage

State = Literal["pending", "delivered", "rejected"]
Role = Literal["output", "input"]
# Why an event was not recorded.
Refusal = Literal["invalid", "full", "unavailable", "error"]


NO_CREDENTIAL = ""
CLOUD = "cloud"
# Events that stay in this store: it is their destination.
HERE = "here"


@dataclass(frozen=True)
class Route:
    """Where events go and with whose key: backup works route by route.

    Attributes:
        destination: `CLOUD`, `HERE`, or the base URL of another Event Store.
        credential: Fingerprint of the key that the events were recorded with, or
            `NO_CREDENTIAL` for events that wait for the key of this device.
    """

    destination: str
    credential: str = NO_CREDENTIAL


@dataclass(frozen=True)
class Lease:
    """What an event is held by until it is settled, released, or so many seconds have passed."""

    token: str
    seconds: float


@dataclass(frozen=True)
class NewEvent:
    """An event to record.

    Attributes:
        body: The event as JSON, as it goes on the wire but without source ids.
        images: The pictures by (position in `images` of the body, role).
        captured_at, use_case, event_type: Copied from the body, to be listed by.
        classes: What was found in the images, to be listed by.
        known_images: SHA-256 of pictures that are in the store already, by (position, role).
        replaces: Whether it takes the place of an event that has its id.
        lease: Has it claimed in the same transaction, for somebody who delivers it at once. An event that
            is pending already, or shows an image that is, keeps to the queue: it may be under way.
    """

    id: str
    route: Route
    event_type: str
    use_case: str
    captured_at: float
    body: str
    images: Mapping[tuple[int, Role], EncodedImage] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    known_images: Mapping[tuple[int, Role], str] = field(default_factory=dict)
    replaces: bool = False
    lease: Lease | None = None

    @classmethod
    def of(
        cls,
        event: VisionEvent,
        route: Route,
        images: Mapping[tuple[int, Role], EncodedImage],
        replaces: bool = False,
        lease: Lease | None = None,
    ) -> NewEvent:
        """The event as the store takes it. Source ids in it name images that are in the store already."""
        event, known_images = _without_source_ids(event)
        return cls(
            id=event.event_id,
            route=route,
            event_type=event.event_type,
            use_case=event.use_case_id,
            captured_at=event.timestamp.timestamp(),
            body=event.to_json(),
            images=images,
            classes=event.classes(),
            known_images=known_images,
            replaces=replaces,
            lease=lease,
        )

    def digests(self) -> dict[tuple[int, Role], str]:
        """SHA-256 of all pictures by (position, role)."""
        return {place: image.sha256 for place, image in self.images.items()} | dict(self.known_images)


def _without_source_ids(event: VisionEvent) -> tuple[VisionEvent, dict[tuple[int, Role], str]]:
    found: dict[tuple[int, Role], str] = {}
    images = []
    for position, image in enumerate(event.images):
        sources: dict[Role, str | None] = {"output": image.source_id, "input": image.input_source_id}
        found |= {(position, role): source for role, source in sources.items() if source is not None}
        images.append(image.model_copy(update={"source_id": None, "input_source_id": None}))
    return (event.model_copy(update={"images": images}) if found else event), found


@dataclass(frozen=True)
class Recorded:
    """The answer to a recorded event.

    Attributes:
        is_new: False for an id that was in the store already.
        is_same: Whether the event in the store was this one to the letter.
        claimed: The event in the hands of its lease, if it was granted.
    """

    id: str
    state: State
    is_new: bool
    is_same: bool = False
    claimed: Claimed | None = None


@dataclass(frozen=True)
class StoredImage:
    """An image file in the store, with the name and the metadata (a JSON object) that were uploaded with it."""

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    name: str | None = None
    metadata: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A pending event in the hands of one worker until its lease ends.

    Attributes:
        attempts: How often delivering this very event has failed.
        images: SHA-256 of the pictures by (position, role).
    """

    seq: int
    id: str
    use_case: str
    body: str
    attempts: int
    images: Mapping[tuple[int, Role], str]

    def parsed(self) -> dict[str, Any]:
        """The body, to add source ids to.

        Raises:
            ValueError: If the record is damaged.
        """
        # Bytes that are no text came out of the store as signs that cannot be encoded.
        parsed: Any = json.loads(self.body.encode())
        if not isinstance(parsed, dict):
            raise ValueError(f"it is {type(parsed).__name__}, no object")
        return parsed


@dataclass(frozen=True)
class Outcome:
    """What became of a claimed event.

    Attributes:
        state: `delivered`, `rejected`, or `pending` to try again.
        reason: The destination's words, for people. Empty when delivered.
        due_in: Seconds until the next attempt of a pending event.
        counts: Whether a failed attempt counts against this event (and not against its route).
        words: What the destination said to a delivered event, for its history.
    """

    seq: int
    state: State
    reason: str = ""
    due_in: float = 0.0
    counts: bool = False
    words: str = ""


@dataclass(frozen=True)
class Circuit:
    """Whether a route may be used now; shared by all processes, so that they do not hammer a dead link.

    Attributes:
        failures: Failed requests in a row.
        open_until: Unix time before which nobody tries; 0 when all is well.
        reason: What went wrong last, for people.
    """

    failures: int = 0
    open_until: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """Accounting of the store: recorded = pending + delivered + rejected + dropped, always.

    Attributes:
        kept: Events in the store now; delivered ones leave it in time.
        oldest_pending: Unix time at which the oldest pending event was recorded.
        bytes: Room that events and images take in the store.
        refused: Events that were not recorded, by reason.
    """

    recorded: int
    pending: int
    delivered: int
    rejected: int
    dropped: int
    kept: int
    oldest_pending: float | None
    bytes: int
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Latencies:
    """How long deliveries took, from recorded to confirmed.

    Attributes:
        counts: Number of deliveries by upper bound in seconds, each counted under the smallest that fits.
        total: Seconds of all of them together.
    """

    counts: Mapping[float, int]
    total: float


@dataclass(frozen=True)
class Quota:
    """What a store may hold.

    Attributes:
        bytes: Largest size of its file.
        records: Most events.
        days: How long delivered events are kept.
    """

    bytes: int
    records: int = 1_000_000
    days: float = 7.0


@dataclass(frozen=True)
class UseCase:
    """What events are grouped by; `created_at` and `updated_at` are Unix times."""

    id: str
    name: str
    is_active: bool
    created_at: float
    updated_at: float


@dataclass(frozen=True)
class Switch:
    """Whether backup is wanted, by the people of this device.

    Attributes:
        changed_at: Unix time; 0 if nobody ever turned it.
    """

    is_on: bool
    changed_at: float = 0.0


def refusal_of(error: BaseException | None) -> Refusal:
    """The reason for which this error refuses an event."""
    if isinstance(error, InvalidEvent):
        return "invalid"
    if isinstance(error, StoreFull):
        return "full"
    return "unavailable" if isinstance(error, StoreError) else "error"
