"""What `GET /api/workers/{id}/explain` answers: which queued shapes a worker may take, and what keeps
it from the others. Pure, like explanation.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from empq.matching.paths import Quota, WorkerFacts
from empq.matching.rejection import Asked, rejection
from empq.matching.summary import Reason, most_frequent, reasons
from empq.model.demand import Demand, demand_of
from empq.model.shape import split_lane_id


class _Row(NamedTuple):
    """One customer's jobs of one shape, and what keeps the worker from them."""

    lane: str
    base: str
    demand: Demand
    customer: str
    avoided: tuple[str, ...]
    jobs: int
    rules: list[str]

    @property
    def place(self) -> tuple[bool, int, bytes]:
        """What may be taken sorts first, then what holds the most jobs."""
        return bool(self.rules), -self.jobs, self.lane.encode()


def worker_explanation(
    worker_id: str,
    rows: Sequence[tuple[str, int, list[str]]],
    documents: Mapping[str, bytes],
    facts: WorkerFacts,
    quotas: Mapping[str, Quota],
    limit: int = 1000,
) -> dict[str, Any]:
    """{worker_id, summary, eligible, total, jobs: {eligible, total}, shapes}.

    shapes: one entry for each shape and customer with jobs queued, of {type, requirements,
    customer_id, avoided_workers, count, eligible, rejections: [{rule, required, offered}]}; first what
    the worker may take, then what holds the most jobs. `requirements` are those of the shape: sets
    sorted, a timeout in minutes; indices in rules count in them. `eligible` and `total` count these
    entries, `jobs` their jobs; `limit` bounds the entries listed and nothing else.

    `rows`: what `Matcher.explain_worker` says. `documents`: shape documents by base; rows of other
    shapes are left out. `quotas`: of the customers that have one.
    """
    told = _read(rows, documents)
    can = [row for row in told if not row.rules]
    jobs = {"eligible": _jobs(can), "total": _jobs(told)}
    return {
        "worker_id": worker_id,
        "summary": _summary(worker_id, told, facts, jobs),
        "eligible": len(can),
        "total": len(told),
        "jobs": jobs,
        "shapes": [_shape(row, facts, quotas) for row in told[:limit]],
    }


def _read(rows: Sequence[tuple[str, int, list[str]]], documents: Mapping[str, bytes]) -> list[_Row]:
    """The rows in the order of the answer; a shape's document is read once."""
    demands: dict[str, Demand] = {}
    told: list[_Row] = []
    for lane, count, rules in rows:
        base, avoided, customer = split_lane_id(lane)
        if base not in demands and base in documents:
            demands[base] = demand_of(documents[base])
        if base in demands:
            told.append(_Row(lane, base, demands[base], customer, avoided, count, rules))
    return sorted(told, key=lambda row: row.place)


def _jobs(rows: Sequence[_Row]) -> int:
    return sum(row.jobs for row in rows)


def _shape(row: _Row, facts: WorkerFacts, quotas: Mapping[str, Quota]) -> dict[str, Any]:
    job_type, required = row.demand
    asked = Asked(required, job_type, row.customer, quota=quotas.get(row.customer))
    return {
        "type": job_type,
        "requirements": required,
        "customer_id": row.customer or None,
        "avoided_workers": list(row.avoided),
        "count": row.jobs,
        "eligible": not row.rules,
        "rejections": [rejection(rule, asked, facts) for rule in row.rules],
    }


def _summary(
    worker_id: str, rows: Sequence[_Row], facts: WorkerFacts, jobs: Mapping[str, int]
) -> str:
    """ "5 queued jobs: w can take 2 now, lacks 24 GB of GPU memory for 3"."""
    # Many customers' lanes of one shape are kept away alike.
    alike: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for row in rows:
        alike[row.base, tuple(row.rules)] += row.jobs
    demands = {row.base: row.demand for row in rows}
    counts: Counter[Reason] = Counter()
    for (base, rules), jobs_kept in alike.items():
        for reason in reasons(rules, demands[base].requirements, facts):
            counts[reason] += jobs_kept
    noun = "job" if jobs["total"] == 1 else "jobs"
    queued = f"{jobs['total']} queued {noun}"
    if not rows:
        return queued
    clauses = [f"can take {jobs['eligible']} now"] if jobs["eligible"] else []
    clauses += most_frequent(counts, Reason.about)
    return f"{queued}: {worker_id} {', '.join(clauses)}"
