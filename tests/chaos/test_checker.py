"""The checker itself: a good history passes, each bad one is found by its name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.checker import Job, check
from tests.chaos.history import Event, History


def attempt(number: int, at: float = 1000.0) -> dict[str, Any]:
    return {"attempt": number, "assigned_at": at}


def job(job_id: str = "j1", key: str = "k1", **fields: Any) -> Job:
    stated: dict[str, Any] = {
        "status": "completed", "result": "r1", "attempts": [attempt(1)], "service": "s",
        "priority": 50, "queued_at": 900.0, **fields,
    }  # fmt: skip
    return Job(id=job_id, key=key, **stated)


def event(at: float, who: str, what: str, about: str, **more: Any) -> Event:
    return Event(at, who, what, about, more)


GOOD = [
    event(1, "c", "submit_begun", "k1"),
    event(2, "c", "submitted", "k1", job_id="j1"),
    event(3, "w", "given", "j1", attempt=1),
    event(4, "w", "run_over", "j1", attempt=1),
    event(5, "w", "completed", "j1", attempt=1, value="r1"),
]


def test_a_good_history_passes() -> None:
    report = check(GOOD, [job()])
    assert report.violations == []
    assert (report.begun, report.acked, report.recovered) == (1, 1, 0)


def test_a_submission_of_unknown_end_that_took_place_is_recovered() -> None:
    report = check([GOOD[0]], [job(status="cancelled", attempts=[])])
    assert (report.violations, report.recovered) == ([], 1)


def test_one_that_did_not_take_place_is_no_loss() -> None:
    assert check([GOOD[0]], []).violations == []


def test_a_result_that_came_after_a_cancel_that_was_not_acked_is_no_wrong_end() -> None:
    assert check(GOOD, [job(status="cancelled", result=None)]).violations == []


BAD: dict[str, tuple[list[Event], list[Job]]] = {
    "lost": (GOOD, []),
    "unexpected": (GOOD, [job(), job("j2", "k9")]),
    "duplicated": (GOOD, [job(), job("j2", "k1")]),
    "duplicated by two acks": (
        [*GOOD, event(6, "c", "submitted", "k1", job_id="j2")],
        [job(), job("j2", "k2", retry_of="j1")],
    ),
    "double": ([*GOOD, event(6, "v", "completed", "j1", attempt=2, value="r2")], [job()]),
    "double with another result stored": (GOOD, [job(result="r0")]),
    "not ended": (GOOD[:2], [job(status="queued", result=None, attempts=[])]),
    "wrong end": (GOOD, [job(status="failed", result=None)]),
    "wrong end after a cancel": ([*GOOD[:2], event(3, "c", "cancelled", "j1")], [job()]),
    "attempts": (GOOD, [job(attempts=[attempt(1), attempt(3)])]),
    "attempts fewer than given": (
        [*GOOD, event(3, "w", "given", "j1", attempt=2)],
        [job(attempts=[attempt(1)])],
    ),
    "owners": ([*GOOD, event(6, "v", "given", "j1", attempt=1)], [job()]),
    "wrong answer": ([*GOOD, event(6, "c", "wrong", "", answer="500")], [job()]),
    "inversion": (
        [*GOOD, event(2, "c", "submit_begun", "k2"), event(2, "c", "submitted", "k2", job_id="j2")],
        [
            job(queued_at=0.0, attempts=[attempt(1, 5000.0)]),
            job("j2", "k2", queued_at=1000.0, attempts=[attempt(1, 2000.0)]),
        ],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_found(name: str) -> None:
    violations = check(*BAD[name]).violations
    assert len(violations) == 1, violations
    assert violations[0].startswith(
        name.split(" by ")[0].split(" with ")[0].split(" after ")[0].split(" fewer ")[0]
    )


def test_what_is_no_inversion() -> None:
    begun = [event(1, "c", "submit_begun", key) for key in ("k1", "k2")]
    first = job(queued_at=0.0, attempts=[attempt(1, 5000.0)])
    later = {"queued_at": 1000.0, "attempts": [attempt(1, 2000.0)]}
    near = {"queued_at": 200.0, "attempts": [attempt(1, 2000.0)]}
    soon = {"queued_at": 1000.0, "attempts": [attempt(1, 4900.0)]}
    for other in (
        job("j2", "k2", **{**later, "priority": 90}),
        job("j2", "k2", **{**later, "service": "other"}),
        job("j2", "k2", **near),
        job("j2", "k2", **soon),
    ):
        assert check(begun, [first, other]).inversions == 0
    touched = [*begun, event(2, "c", "touched", "j1")]
    assert check(touched, [first, job("j2", "k2", **later)]).inversions == 0


def test_overlap_is_counted_and_no_violation() -> None:
    events = [
        *GOOD[:3],
        event(10, "v", "given", "j1", attempt=2),
        event(12.5, "w", "run_over", "j1", attempt=1),
        event(13, "v", "completed", "j1", attempt=2, value="r1"),
    ]
    report = check(events, [job(attempts=[attempt(1), attempt(2)])])
    assert (report.violations, report.overlap_seconds) == ([], 2.5)


def test_a_large_history_is_judged_in_linear_time() -> None:
    history = History()
    jobs = [
        job(f"j{n}", f"k{n}", queued_at=float(n), attempts=[attempt(1, float(n))])
        for n in range(50_000)
    ]
    for number in range(50_000):
        history.note("c", "submit_begun", f"k{number}")
        history.note("c", "submitted", f"k{number}", job_id=f"j{number}")
        history.note("w", "completed", f"j{number}", attempt=1, value="r1")
    assert check(history.events, jobs).violations == []
