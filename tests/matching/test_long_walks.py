"""100,000 operations of a fleet's life: both matchers and the naive scan answer the same after each."""

from __future__ import annotations

import pytest

from empq.matching.implementation import make_matcher
from empq.matching.reference import ReferenceMatcher
from naive_scan import NaiveScan
from walk import Walk

OPERATIONS = 10_000


@pytest.mark.parametrize("seed", range(10))
def test_all_three_answer_the_same(seed: int) -> None:
    walk = Walk(seed, [ReferenceMatcher(), make_matcher("rust"), NaiveScan()])

    walk.run(OPERATIONS)

    assert walk.done.total() >= OPERATIONS
    assert min(walk.done[call] for call in ("propose", "offer", "explain", "explain_worker")) > 100
