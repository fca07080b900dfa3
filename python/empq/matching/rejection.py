"""One rule that a pair breaks: what was required, and what the worker offers there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from empq.matching.paths import (
    LISTS,
    Quota,
    WorkerFacts,
    as_sent,
    counted,
    offered_at,
    parse_rule,
    required_at,
    value_at,
)


class Asked(NamedTuple):
    """What is asked of a worker. `timeout_seconds`: where the job states it; `quota`: the customer's."""

    required: Mapping[str, Any]
    job_type: str | None = None
    customer: str = ""
    timeout_seconds: float | None = None
    quota: Quota | None = None


def rejection(rule: str, asked: Asked, facts: WorkerFacts) -> dict[str, Any]:
    """{rule, required, offered}, values as sent; for a rule that is no requirement, what was counted."""
    path = parse_rule(rule)
    if rule in LISTS:
        standing = asked.job_type if rule == "job_types" else asked.customer or None
        offered = value_at(facts.capabilities, LISTS[rule])
        return {"rule": rule, "required": standing, "offered": offered}
    if not path.is_requirement:
        figures = counted(rule, asked.required, facts, asked.quota)
        return {"rule": rule, "required": figures, "offered": figures}
    return {
        "rule": as_sent(rule, asked.required),
        "required": required_at(path, asked.required, asked.timeout_seconds),
        "offered": offered_at(path, asked.required, facts),
    }
