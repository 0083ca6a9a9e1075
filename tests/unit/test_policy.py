"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_event_block.backoff import LONGEST_DELAY, backoff
from vision_event_block.backup.policy import Trouble


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (10_000, 300)]
)
def test_the_wait_doubles_up_to_five_minutes_with_full_jitter(failures, ceiling):
    """From nothing to the whole of it, so that many devices do not come back at once."""
    assert backoff(failures, rand=lambda: 0.0) == 0.0
    assert backoff(failures, rand=lambda: 1.0) == ceiling


@given(st.integers(0, 10**6), st.none() | st.floats(0, 1e12), st.floats(0, 1))
def test_no_wait_is_longer_than_five_minutes_whatever_the_server_says(failures, wish, chance):
    """A hostile or broken header must not park a device."""
    assert min(wish or 0, LONGEST_DELAY) <= backoff(failures, wish, lambda: chance) <= LONGEST_DELAY


def test_a_refused_key_is_probed_once_a_minute():
    """However often it was refused."""
    assert [Trouble("403", is_credential=True).pause(failures) for failures in (1, 50)] == [60.0, 60.0]
