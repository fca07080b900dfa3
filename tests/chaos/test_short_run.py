"""The short form of `make chaos`: sixty faults of one seed, and no promise broken."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.chaos.plan import KINDS, schedule
from tests.chaos.run import play, table

FAULTS = 60


def test_a_seed_gives_the_same_schedule_and_all_kinds_come() -> None:
    first = list(itertools.islice(schedule("7", 2), 200))
    assert first == list(itertools.islice(schedule("7", 2), 200))
    assert first != list(itertools.islice(schedule("8", 2), 200))
    assert {fault.kind for fault in first} == {kind for kind, *_ in KINDS}


@pytest.mark.timeout(400)
def test_no_promise_is_broken_under_sixty_faults(tmp_path: Path) -> None:
    outcome = play(tmp_path, "7", faults=FAULTS)
    assert outcome.report.violations == [], table(outcome)
    assert sum(outcome.world.played.values()) == FAULTS
    assert outcome.report.acked > 100
