"""Verdicts to the answer of `POST /api/match` and `GET /api/jobs/{id}/explain` (contract.md).

Pure: what a matcher said, the requirements and capabilities as sent, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from empq.matching.interface import Verdict
from empq.matching.nearest_miss import Rematch, nearest_miss
from empq.matching.paths import (
    LISTS,
    WorkerFacts,
    as_sent,
    counted,
    offered_at,
    parse_rule,
    required_at,
    value_at,
)
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


def explanation(
    verdicts: Sequence[Verdict],
    required: Mapping[str, Any],
    workers: Mapping[str, WorkerFacts],
    rematch: Rematch,
    *,
    timeout_seconds: float | None = None,
    job_type: str | None = None,
    customer: str = "",
    limit: int = 1000,
) -> dict[str, Any]:
    """{summary, verdict: now | busy | never, eligible, total, workers, nearest_miss}.

    `required`: the requirements as sent. `workers`: by id, of every verdict. `rematch` gives the
    verdicts for changed requirements. `timeout_seconds`: where the job states it. `limit` bounds
    the workers listed; everything else is about all of them.
    """
    eligible = [verdict.worker_id for verdict in verdicts if not verdict.rules]
    fits = any(PASSING.issuperset(verdict.rules) for verdict in verdicts)
    standing = {"job_types": job_type, "customer_access": customer or None}
    listed = [
        _worker(
            verdict,
            required,
            workers.get(verdict.worker_id, _NO_FACTS),
            timeout_seconds,
            standing,
        )
        for verdict in verdicts[:limit]
    ]
    return {
        "summary": summary(verdicts, required, workers, timeout_seconds),
        "verdict": "now" if eligible else "busy" if fits else "never",
        "eligible": len(eligible),
        "total": len(verdicts),
        "workers": listed,
        "nearest_miss": nearest_miss(verdicts, required, workers, rematch, timeout_seconds),
    }


def _worker(
    verdict: Verdict,
    required: Mapping[str, Any],
    facts: WorkerFacts,
    timeout_seconds: float | None,
    standing: Mapping[str, str | None],
) -> dict[str, Any]:
    dimensions = verdict.dimensions
    return {
        "worker_id": verdict.worker_id,
        "eligible": not verdict.rules,
        "score": verdict.score,
        "dimensions": dimensions and dict(zip(DIMENSIONS, dimensions, strict=True)),
        "rejections": [
            _rejection(rule, required, facts, timeout_seconds, standing) for rule in verdict.rules
        ],
    }


def _rejection(
    rule: str,
    required: Mapping[str, Any],
    facts: WorkerFacts,
    timeout_seconds: float | None,
    standing: Mapping[str, str | None],
) -> dict[str, Any]:
    path = parse_rule(rule)
    if rule in LISTS:
        return {
            "rule": rule,
            "required": standing[rule],
            "offered": value_at(facts.capabilities, LISTS[rule]),
        }
    if not path.is_requirement:
        figures = counted(rule, required, facts)
        return {"rule": rule, "required": figures, "offered": figures}
    return {
        "rule": as_sent(rule, required),
        "required": required_at(path, required, timeout_seconds),
        "offered": offered_at(path, required, facts),
    }
