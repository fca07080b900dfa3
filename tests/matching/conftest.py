"""One suite, two implementations: every test that takes `matcher` runs on both."""

from __future__ import annotations

import os

import pytest

from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher
from scene import Scene

#: Without Rust (`make setup MATCHER=python`) the reference stands alone; else a missing extension fails.
RUST_EXPECTED = os.environ.get("EMPQ_MATCHER") != "python"
NEEDING_RUST = [
    "test_differential.py",
    "test_large_indexes_agree.py",
    "test_long_walks.py",
    "test_stub.py",
    "test_verdicts_agree.py",
]
collect_ignore = [] if RUST_EXPECTED else NEEDING_RUST
IMPLEMENTATIONS = ("rust", "reference") if RUST_EXPECTED else ("reference",)


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    """The implementation's name."""
    return request.param


@pytest.fixture
def matcher(implementation: str) -> Matcher:
    """An empty matcher."""
    return make_matcher("rust" if implementation == "rust" else "python")


@pytest.fixture
def scene(matcher: Matcher) -> Scene:
    """An empty matcher that is told of workers and lanes in the words of the contract."""
    return Scene(matcher)
