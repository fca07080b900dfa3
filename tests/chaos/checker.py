"""Reads a history and the jobs at its end, and says what must not be (I1 to I7 of the failure model)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.chaos.history import Event

ENDED = frozenset({"completed", "failed", "timeout", "cancelled"})
#: what may pass between two hubs before the order of claims is to hold, ms
STALE_MS = 250


class Job(NamedTuple):
    """A job as it stands at the end; times in ms of Redis."""

    id: str
    key: str
    status: str
    result: Any
    attempts: list[dict[str, Any]]
    service: str
    priority: int
    queued_at: float
    retry_of: str | None = None


class Report(NamedTuple):
    """Counts by Jepsen's names, and a sentence for each violation."""

    begun: int
    acked: int
    recovered: int
    lost: int
    unexpected: int
    duplicated: int
    double_accepted: int
    wrong_ends: int
    inversions: int
    overlap_seconds: float
    violations: list[str]


def check(events: Iterable[Event], jobs: Iterable[Job]) -> Report:
    """The whole judgement."""
    events, jobs = list(events), list(jobs)
    by_id = {job.id: job for job in jobs}
    begun = {event.about for event in events if event.what == "submit_begun"}
    acked = [event for event in events if event.what == "submitted"]
    lost = [
        f"lost: {event.about} was {event.more['job_id']}"
        for event in acked
        if event.more["job_id"] not in by_id
    ]
    unexpected = [
        f"unexpected: {job.id} has the key {job.key!r}"
        for job in jobs
        if job.key not in begun and job.retry_of is None
    ]
    duplicated = list(_duplicated(jobs, acked))
    doubled = list(_doubled(events, by_id))
    wrong = [*_unended(jobs), *_wrong_ends(events, by_id), *_wrong_attempts(events, by_id)]
    told = [f"wrong answer: {event.more['answer']}" for event in events if event.what == "wrong"]
    touched = {event.about for event in events if event.what == "touched"}
    inversions = list(_inversions(jobs, touched))
    known = {event.about for event in acked}
    return Report(
        begun=len(begun),
        acked=len(acked),
        recovered=sum(job.key in begun - known for job in jobs),
        lost=len(lost),
        unexpected=len(unexpected),
        duplicated=len(duplicated),
        double_accepted=len(doubled),
        wrong_ends=len(wrong),
        inversions=len(inversions),
        overlap_seconds=_overlap(events),
        violations=[*lost, *unexpected, *duplicated, *doubled, *wrong, *told, *inversions],
    )


def _duplicated(jobs: list[Job], acked: list[Event]) -> Iterable[str]:
    """One key, one job (a retry has the key of what it retries)."""
    of_key: defaultdict[str, set[str]] = defaultdict(set)
    for job in jobs:
        if job.retry_of is None:
            of_key[job.key].add(job.id)
    for event in acked:
        of_key[event.about].add(event.more["job_id"])
    for key, ids in of_key.items():
        if len(ids) > 1:
            yield f"duplicated: the key {key} has the jobs {sorted(ids)}"


def _doubled(events: list[Event], jobs: dict[str, Job]) -> Iterable[str]:
    """At most one result is taken, and it is the one that the job has."""
    taken: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.what == "completed":
            taken[event.about].add(event.more["value"])
    for job_id, values in taken.items():
        job = jobs.get(job_id)
        if job is not None and job.status == "completed" and values != {job.result}:
            yield f"double: {job_id} has {job.result!r}, taken were {sorted(values)}"
        elif len(values) > 1 and (job is None or job.status != "cancelled"):
            yield f"double: of {job_id} the results {sorted(values)} were taken"


def _unended(jobs: list[Job]) -> Iterable[str]:
    for job in jobs:
        if job.status not in ENDED:
            yield f"not ended: {job.id} is {job.status}"


def _wrong_ends(events: list[Event], jobs: dict[str, Job]) -> Iterable[str]:
    """A result that was taken stands, unless a cancel came first; a cancel that was taken stands."""
    for event in events:
        job = jobs.get(event.about)
        if job is None:
            continue
        if event.what == "completed" and job.status not in ("completed", "cancelled"):
            yield f"wrong end: a result of {job.id} was taken, and it is {job.status}"
        if event.what == "cancelled" and job.status != "cancelled":
            yield f"wrong end: {job.id} was cancelled, and it is {job.status}"


def _wrong_attempts(events: list[Event], jobs: dict[str, Job]) -> Iterable[str]:
    """Attempts are numbered without a gap; one attempt has one worker."""
    for job in jobs.values():
        numbers = [attempt["attempt"] for attempt in job.attempts]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"attempts: {job.id} has {numbers}"
    owners: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for event in events:
        if event.what == "given":
            owners[event.about, event.more["attempt"]].add(event.who)
    for (job_id, attempt), workers in owners.items():
        if len(workers) > 1:
            yield f"owners: attempt {attempt} of {job_id} was given to {sorted(workers)}"
        job = jobs.get(job_id)
        if job is not None and attempt > len(job.attempts):
            yield f"attempts: attempt {attempt} of {job_id} was given, it has {len(job.attempts)}"


def _inversions(jobs: list[Job], touched: set[str]) -> Iterable[str]:
    """First in, first out among equals (same service, same priority) whose priority nobody changed."""
    equal: defaultdict[tuple[str, int], list[tuple[float, float, str]]] = defaultdict(list)
    for job in jobs:
        if job.attempts and job.retry_of is None and job.id not in touched:
            given = job.attempts[0]["assigned_at"]
            equal[job.service, job.priority].append((job.queued_at, given, job.id))
    for group in equal.values():
        group.sort()
        earlier, latest = 0, (float("-inf"), "")
        for queued, given, job_id in group:
            while group[earlier][0] < queued - STALE_MS:
                latest = max(latest, group[earlier][1:])
                earlier += 1
            if given < latest[0] - STALE_MS:
                yield f"inversion: {job_id} was given {latest[0] - given:.0f} ms before {latest[1]}, queued earlier"


def _overlap(events: list[Event]) -> float:
    """Seconds in which two workers ran the same job: what losing a lease costs, no violation."""
    begun: defaultdict[str, dict[int, float]] = defaultdict(dict)
    ended: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for event in events:
        if event.what == "given":
            begun[event.about].setdefault(event.more["attempt"], event.at)
        elif event.what == "run_over":
            ended[event.about].setdefault(event.more["attempt"], event.at)
    total = 0.0
    for job_id, starts in begun.items():
        for attempt, start in starts.items():
            follows = starts.get(attempt + 1)
            over = ended[job_id].get(attempt)
            if follows is not None and over is not None and over > follows >= start:
                total += over - follows
    return total
