"""Any interleaving of what processes do to a store, and crashes between, against a model of a few dictionaries."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.store.engines import ENGINES, Make
from tests.store.invariants import check_store
from vision_event_block.errors import StoreFull
from vision_event_block.images import EncodedImage
from vision_event_block.store.interface import EventStore
from vision_event_block.store.model import HERE, NewEvent, Outcome, Quota, Route

ROUTES = (Route("cloud", "a"), Route("cloud", "b"), Route("http://site:8001"), Route(HERE))
LEASE = 10.0
DAYS = 7.0
MOST = 12


@dataclass
class Known:
    """What the model knows of an event."""

    seq: int
    route: Route
    state: str
    images: dict[tuple[int, str], str]
    due: float = 0.0
    token: str | None = None
    until: float = 0.0
    attempts: int = 0
    settled: float = 0.0


@dataclass
class Workers:
    """Tokens that were given out, with what each was handed. A crash forgets one; its lease remains."""

    held: dict[str, dict[str, int]] = field(default_factory=dict)


class StoreMachine(RuleBasedStateMachine):
    """The rules are what can happen; `check` is what must be true after each."""

    make: Make
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        # After 1970, wherever it jumps.
        self.now = 2_000_000_000.0
        self.store: EventStore = self._open()
        self.known: dict[str, Known] = {}
        self.uploads: dict[tuple[Route, str], str] = {}
        self.files: dict[str, bytes] = {}
        self.workers = Workers()
        self.made = 0
        self.dropped = 0
        self.pruned = 0

    def _open(self) -> EventStore:
        return type(self).make(self.folder, Quota(10**9, records=MOST, days=DAYS), lambda: self.now)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    # --- what can happen

    @rule(
        route=st.sampled_from(ROUTES), pictures=st.lists(st.integers(0, 4), max_size=2, unique=True),
        again=st.booleans(), count=st.integers(1, 3),
    )  # fmt: skip
    def record(self, route: Route, pictures: list[int], again: bool, count: int) -> None:
        """A group of events in one transaction. With an id that was there before nothing changes, unless the very
        same event comes back on another way while it is pending: then it goes on from here."""
        images = {
            (0, role): EncodedImage.of(f"picture {n}".encode() * 20, "image/jpeg", 4, 3)
            for role, n in zip(("input", "output"), pictures, strict=False)
        }
        ids = [f"e{self.made + n}" for n in range(count)]
        if again and self.made:
            ids[0] = f"e{self.made - 1}"
        before = {event_id: known.state for event_id, known in self.known.items()}
        is_crowded = len(set(self.known) | set(ids)) > MOST
        try:
            answers = self.store.record([NewEvent(i, route, "custom", "uc", 0.0, "{}", images) for i in ids])
        except StoreFull:
            # Only when there was nothing delivered left to make room; and then nothing was written.
            self._forget_pruned()
            assert len(self.known) + len(set(ids) - set(self.known)) > MOST
            assert "delivered" not in {known.state for known in self.known.values()}
            return
        self._forget_pruned()
        for event_id, answer in zip(ids, answers, strict=True):
            if answer.is_new and is_crowded and before.get(event_id) == "delivered":
                del self.known[event_id]  # it went to make room, and came again
            assert answer.is_new == (event_id not in self.known)
            if not answer.is_new and not self._comes_back(self.known[event_id], route, images):
                assert answer.state == before[event_id]
                continue
            self.made = max(self.made, int(event_id[1:]) + 1)
            self.files |= {image.sha256: image.data for image in images.values()}
            self.known[event_id] = Known(
                seq=self.store.catalog.event(event_id).seq, route=route,
                state="delivered" if route == Route(HERE) else "pending", settled=self.now,
                images={place: image.sha256 for place, image in images.items()},
            )  # fmt: skip

    @staticmethod
    def _comes_back(known: Known, route: Route, images: dict[tuple[int, str], EncodedImage]) -> bool:
        is_same = known.images == {place: image.sha256 for place, image in images.items()}
        return is_same and known.state == "pending" and known.route.destination != route.destination

    @rule(target=tokens, route=st.sampled_from(ROUTES[:3]), limit=st.integers(1, 5))
    def claim(self, route: Route, limit: int) -> str:
        """A worker takes what is due; nobody else has it, and it is just what the model says."""
        token = f"t{len(self.workers.held)}"
        may = self._claimable(route)
        expected = sorted({*may[: (limit + 1) // 2], *(may[-(limit // 2) :] if limit > 1 else [])})
        claimed = self.store.queue.claim(route, token, LEASE, limit)
        assert [event.seq for event in claimed] == expected
        for event in claimed:
            known = self.known[event.id]
            assert not self._is_leased(known), "an event has two live leases"
            assert dict(event.images) == known.images
            assert event.attempts == known.attempts
            known.token, known.until = token, self.now + LEASE
        self.workers.held[token] = {event.id: event.seq for event in claimed}
        return token

    @rule(token=tokens, state=st.sampled_from(["delivered", "rejected", "pending"]), due_in=st.sampled_from([0.0, 5.0, 300.0]),
          share=st.floats(0, 1))  # fmt: skip
    def settle(self, token: str, state: str, due_in: float, share: float) -> None:
        """A worker, alive or thought dead, says what became of some events: it counts only while it has them."""
        held = list(self.workers.held[token].items())
        told = held[: round(share * len(held))]
        outcomes = [Outcome(seq, state, "why", due_in=due_in, counts=state == "pending") for _, seq in told]
        counted = self.store.queue.settle(token, outcomes)
        rightly = [
            (event_id, seq)
            for event_id, seq in told
            if event_id in self.known
            and self.known[event_id].token == token
            and self.known[event_id].state == "pending"
        ]
        assert counted == [seq for _, seq in rightly]
        for event_id, _ in rightly:
            known = self.known[event_id]
            known.state, known.token, known.until = state, None, 0.0
            known.due, known.settled = self.now + due_in, self.now
            known.attempts += state == "pending"

    @rule(token=tokens)
    def release(self, token: str) -> None:
        """A worker gives back what it has."""
        self.store.queue.release(token)
        for known in self.known.values():
            if known.token == token:
                known.token, known.until = None, 0.0

    @rule(token=tokens)
    def renew(self, token: str) -> None:
        """A worker is alive."""
        self.store.queue.renew(token, LEASE)
        for known in self.known.values():
            if known.token == token:
                known.until = self.now + LEASE

    @rule(token=tokens)
    def upload(self, token: str) -> None:
        """A worker notes the source ids of the images that it holds; nothing forgets them but the image's end."""
        for event_id in self.workers.held[token]:
            known = self.known.get(event_id)
            if known is not None and known.token == token:
                ids = {sha256: f"src {known.route} {sha256}" for sha256 in known.images.values()}
                self.store.queue.uploaded(known.route, ids)
                self.uploads |= {(known.route, sha256): source for sha256, source in ids.items()}

    @rule(seconds=st.sampled_from([1.0, 4.0, 11.0, 299.0, 8 * 86_400.0]))
    def time_passes(self, seconds: float) -> None:
        """Leases end, retries come due, delivered events grow old."""
        self.now += seconds

    @rule(days=st.sampled_from([-400.0, 400.0]))
    def clock_jumps(self, days: float) -> None:
        """A device learns what time it is. What lies further ahead than anything of ours is due."""
        self.now += days * 86_400

    @rule()
    def crash(self) -> None:
        """The process is gone and another opens the file; what it held stays leased until the lease ends."""
        self.store.close()
        self.store = self._open()

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """A person tries a rejected event again, or one that is none."""
        event_id = data.draw(st.sampled_from(sorted(self.known) or ["nobody"]))
        is_rejected = event_id in self.known and self.known[event_id].state == "rejected"
        assert self.store.queue.retry(event_id) == is_rejected
        if is_rejected:
            known = self.known[event_id]
            known.state, known.due, known.attempts = "pending", 0.0, 0

    @rule()
    def hurry(self) -> None:
        """A person says now."""
        self.store.queue.hurry()
        for known in self.known.values():
            known.due = 0.0

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """A person removes an event for good."""
        event_id = data.draw(st.sampled_from([*sorted(self.known), "nobody"]))
        assert self.store.drop([event_id]) == ([event_id] if event_id in self.known else [])
        gone = self.known.pop(event_id, None)
        self.dropped += gone is not None and gone.state != "delivered"

    @rule()
    def prune(self) -> None:
        """Upkeep: what was delivered long ago leaves, and nothing else."""
        old = {
            i
            for i, k in self.known.items()
            if k.state == "delivered" and k.settled < self.now - DAYS * 86_400
        }
        assert self.store.prune() == len(old)
        for event_id in old:
            del self.known[event_id]

    # --- what must be true

    @invariant()
    def check(self) -> None:
        """See `invariants.py`; and what was uploaded is not forgotten while its image is there."""
        shown = {sha256 for known in self.known.values() for sha256 in known.images.values()}
        check_store(
            self.store, {event_id: known.state for event_id, known in self.known.items()},
            {sha256: self.files[sha256] for sha256 in shown},
        )  # fmt: skip
        assert self.store.counts().dropped == self.dropped
        self.uploads = {key: source for key, source in self.uploads.items() if key[1] in shown}
        for route in ROUTES[:3]:
            expected = {sha256: source for (of, sha256), source in self.uploads.items() if of == route}
            assert self.store.queue.source_ids(route, sorted(shown)) == expected

    def _is_leased(self, known: Known) -> bool:
        return known.token is not None and self.now < known.until <= self.now + 3600

    def _claimable(self, route: Route) -> list[int]:
        """By `seq`: due, free, and with no image that another lease is uploading on this route."""
        uploading = {
            sha256
            for known in self.known.values()
            if known.route == route and self._is_leased(known)
            for sha256 in known.images.values()
            if (route, sha256) not in self.uploads
        }
        return sorted(
            known.seq
            for known in self.known.values()
            if known.route == route and known.state == "pending" and not self._is_leased(known)
            and not self.now < known.due <= self.now + 3600 and not uploading & set(known.images.values())
        )  # fmt: skip

    def _forget_pruned(self) -> None:
        """A full store made room: only delivered events may have gone, those first that arrived first."""
        there = {event.id for event in self.store.catalog.events(limit=1000)}
        gone = [event_id for event_id in self.known if event_id not in there]
        for event_id in gone:
            assert self.known.pop(event_id).state == "delivered"


def _run(engine: str, examples: int, steps: int) -> None:
    machine = type("Machine", (StoreMachine,), {"make": staticmethod(ENGINES[engine])})
    quiet = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=quiet)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_interleaving_keeps_the_invariants(engine):
    """A few hundred steps of everything that can happen."""
    _run(engine, 25, 25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_great_many_interleavings_keep_the_invariants(engine):
    """The same for as long as one likes to wait."""
    _run(engine, 600, 50)
