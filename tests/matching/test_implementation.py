"""Which matcher a hub gets: Rust unless told otherwise, and never the slow one silently."""

from __future__ import annotations

import logging
import sys
import types

import pytest

from empq.errors import StartRefused
from empq.matching.implementation import make_matcher
from empq.matching.reference import ReferenceMatcher
from empq.settings import Settings


def extension(debug: bool) -> types.ModuleType:
    """A stand-in for the built module."""
    module = types.ModuleType("empq.matching._rust")
    module.__dict__.update(RustMatcher=ReferenceMatcher, DEBUG_BUILD=debug)
    return module


def test_rust_is_the_default() -> None:
    assert Settings().matcher == "rust"


def test_the_reference_is_made_by_its_name() -> None:
    assert isinstance(make_matcher("python"), ReferenceMatcher)
    assert make_matcher("python") is not make_matcher("python")


def test_a_missing_extension_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "empq.matching._rust", None)

    with pytest.raises(StartRefused, match=r"make setup.*EMPQ_MATCHER=python"):
        make_matcher("rust")


@pytest.mark.parametrize(("debug", "warnings"), [(True, 1), (False, 0)])
def test_a_debug_build_is_told(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
    warnings: int,
) -> None:
    monkeypatch.setitem(sys.modules, "empq.matching._rust", extension(debug))

    with caplog.at_level(logging.WARNING):
        make_matcher("rust")

    assert sum("debug build" in record.message for record in caplog.records) == warnings
