"""Which matcher runs: the Rust index, or the reference where EMPQ_MATCHER says python."""

from __future__ import annotations

import logging
from typing import Literal

from empq.errors import StartRefused
from empq.matching.interface import Matcher
from empq.matching.reference import ReferenceMatcher

logger = logging.getLogger(__name__)


def make_matcher(name: Literal["rust", "python"]) -> Matcher:
    """A new, empty matcher. StartRefused where the Rust extension was never built."""
    if name == "python":
        return ReferenceMatcher()
    try:
        from empq.matching._rust import DEBUG_BUILD, RustMatcher
    except ImportError as error:
        raise StartRefused(
            f"the Rust matcher cannot be loaded ({error}): build it with `make setup`, "
            "or set EMPQ_MATCHER=python for the slower reference matcher"
        ) from error
    if DEBUG_BUILD:
        logger.warning("the Rust matcher is a debug build, many times slower: run `make setup`")
    return RustMatcher()
