"""The one place where tests poll: for what no event tells them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 40.0
PAUSE_SECONDS = 0.03


def eventually(probe: Callable[[], T | None], what: str, seconds: float = SECONDS) -> T:
    """The probe's first true value; fails with `what` and the last thing seen when the time is over."""
    until = time.monotonic() + seconds
    while not (seen := probe()):
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}; last seen: {seen!r}"
        time.sleep(PAUSE_SECONDS)
    return seen


def outlast(seconds: float) -> None:
    """Lets a lease run out: nothing tells of time that passes while no hub is there."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > until, "the time is over", seconds + SECONDS)
