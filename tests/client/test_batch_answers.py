"""What the answer to a batch vouches for."""

from __future__ import annotations

import pytest

from vision_event_block.client import CreatedBatch
from vision_event_block.client.posting import _created

SENT = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "vouched"),
    [
        ({"created": 3, "eventIds": SENT}, {"a", "b", "c"}),
        ({"created": 2, "eventIds": ["a", "c"]}, {"a", "c"}),
        ({"eventIds": ["a"]}, {"a"}),
        ({"created": 3}, {"a", "b", "c"}),
        ({"created": 2}, set()),
        ({"created": 0}, set()),
        # All named and fewer created: which of them, nobody knows.
        ({"created": 2, "eventIds": SENT}, set()),
        ({"created": 3, "eventIds": ["x", "y", "z"]}, set()),
        ({"eventIds": []}, set()),
        ({}, {"a", "b", "c"}),
    ],
)
def test_only_what_the_answer_vouches_for_counts_as_delivered(answer, vouched):
    """The rest is sent one by one, which harms nothing: the same id replaces the same event."""
    assert _created(CreatedBatch.model_validate(answer), SENT) == vouched
