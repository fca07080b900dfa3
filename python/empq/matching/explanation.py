"""Verdicts to the answer of `POST /api/match` and `GET /api/jobs/{id}/explain` (contract.md).

Pure: what a matcher said, the requirements and capabilities as sent, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from empq.matching.interface import Verdict
from empq.matching.nearest_miss import Rematch, nearest_miss
from empq.matching.paths import Quota, WorkerFacts
from empq.matching.rejection import Asked, rejection
from empq.matching.summary import summary

DIMENSIONS = (
    "service", "hardware", "load", "isolation", "performance", "location", "cost", "preferences",
)  # fmt: skip
#: Rules that time, or an operator, may lift: a worker kept away by these alone fits.
PASSING = frozenset(
    {
        "slots", "isolation_held", "max_concurrent_customers", "customer_quota", "draining",
        "paused", "avoided_worker", "service_health",
    }
)  # fmt: skip

_NO_FACTS = WorkerFacts({})
_MOST_REJECTIONS = 10_000


def explanation(
    verdicts: Sequence[Verdict],
    required: Mapping[str, Any],
    workers: Mapping[str, WorkerFacts],
    rematch: Rematch,
    *,
    timeout_seconds: float | None = None,
    job_type: str | None = None,
    customer: str = "",
    quota: Quota | None = None,
    limit: int = 1000,
) -> dict[str, Any]:
    """{summary, verdict: now | busy | never, eligible, total, workers, nearest_miss}.

    `required`: the requirements as sent. `workers`: by id, of every verdict. `rematch` gives the
    verdicts for changed requirements. `timeout_seconds`: where the job states it. `quota`: where the
    customer has one. `limit` bounds the workers listed, and so do 10,000 rejections in all; everything
    else is about all workers.
    """
    eligible = [verdict.worker_id for verdict in verdicts if not verdict.rules]
    fits = any(PASSING.issuperset(verdict.rules) for verdict in verdicts)
    asked = Asked(required, job_type, customer, timeout_seconds, quota)
    listed = [
        _worker(verdict, asked, workers.get(verdict.worker_id, _NO_FACTS))
        for verdict in _listed(verdicts, limit)
    ]
    return {
        "summary": summary(verdicts, required, workers, timeout_seconds),
        "verdict": "now" if eligible else "busy" if fits else "never",
        "eligible": len(eligible),
        "total": len(verdicts),
        "workers": listed,
        "nearest_miss": nearest_miss(verdicts, required, workers, rematch, timeout_seconds),
    }


def _listed(verdicts: Sequence[Verdict], limit: int) -> Iterator[Verdict]:
    """The first `limit`, until so many rejections have been told that nobody reads on."""
    told = 0
    for verdict in verdicts[:limit]:
        told += len(verdict.rules)
        if told > _MOST_REJECTIONS and told > len(verdict.rules):
            return
        yield verdict


def _worker(verdict: Verdict, asked: Asked, facts: WorkerFacts) -> dict[str, Any]:
    dimensions = verdict.dimensions
    return {
        "worker_id": verdict.worker_id,
        "eligible": not verdict.rules,
        "score": verdict.score,
        "dimensions": dimensions and dict(zip(DIMENSIONS, dimensions, strict=True)),
        "rejections": [rejection(rule, asked, facts) for rule in verdict.rules],
    }
