"""Verdicts to one sentence: "12 workers: 7 lack 24 GB of GPU memory, 5 lack model X"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from empq.matching.interface import Verdict
from empq.matching.paths import (
    RulePath,
    WorkerFacts,
    as_sent,
    offered_at,
    parse_rule,
    required_at,
)
from empq.model.fields import forward_slashes

_MOST_REASONS = 6
_MOST_CHARACTERS = 80

_UNITS = {
    "hardware.gpu_memory_gb": "GB of GPU memory",
    "hardware.gpu_count": "GPUs",
    "hardware.cpu_cores": "CPU cores",
    "hardware.ram_gb": "GB of RAM",
    "hardware.storage_gb": "GB of storage",
}


class _Reason(NamedTuple):
    """One clause, for one worker and for several."""

    one: str
    many: str


#: Of a requirement that a worker does not meet; {} is what the job asks.
_REQUIREMENTS = {
    "service_type": _Reason("lacks service {}", "lack service {}"),
    "component": _Reason("does not take component {}", "do not take component {}"),
    "workflow": _Reason("does not take workflow {}", "do not take workflow {}"),
    "hardware.gpu_model": _Reason("lacks GPU model {}", "lack GPU model {}"),
    "customer_isolation": _Reason("lacks isolation {}", "lack isolation {}"),
    "geographic_region": _Reason("is outside region {}", "are outside region {}"),
    "compliance": _Reason("lacks compliance {}", "lack compliance {}"),
    "quality_level": _Reason("lacks quality level {}", "lack quality level {}"),
    "cost_tier": _Reason("costs more than {}", "cost more than {}"),
    "timeout_minutes": _Reason("stops jobs before {} minutes", "stop jobs before {} minutes"),
}
_JOINED = {"compliance": " and "}
_STANDINGS = {
    "slots": _Reason("has no free slot", "have no free slot"),
    "draining": _Reason("is draining", "are draining"),
    "paused": _Reason("is paused for it", "are paused for it"),
    "service_health": _Reason("has no healthy service for it", "have no healthy service for it"),
    "isolation_held": _Reason(
        "is kept apart by isolation for now", "are kept apart by isolation for now"
    ),
    "customer_access": _Reason("does not admit the customer", "do not admit the customer"),
    "customer_quota": _Reason("waits for the customer's quota", "wait for the customer's quota"),
    "max_concurrent_customers": _Reason(
        "serves its most customers already", "serve their most customers already"
    ),
    "job_types": _Reason("does not take its type", "do not take its type"),
    "avoided_worker": _Reason("failed it a moment ago", "failed it a moment ago"),
}


def summary(
    verdicts: Sequence[Verdict],
    required: Mapping[str, Any],
    workers: Mapping[str, WorkerFacts],
    timeout_seconds: float | None = None,
) -> str:
    """Each reason with the number of workers that it holds for, the most frequent first."""
    if not verdicts:
        return "0 workers: none is online"
    counts: Counter[_Reason] = Counter()
    for verdict in verdicts:
        facts = workers.get(verdict.worker_id, WorkerFacts({}))
        counts.update(set(_reasons(verdict, required, facts, timeout_seconds)))
    eligible = sum(not verdict.rules for verdict in verdicts)
    clauses = [f"{eligible} can take it now"] if eligible else []
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for reason, count in order[:_MOST_REASONS]:
        clauses.append(f"{count} {reason.one if count == 1 else reason.many}")
    if len(order) > _MOST_REASONS:
        clauses.append(f"and {len(order) - _MOST_REASONS} more reasons")
    noun = "worker" if len(verdicts) == 1 else "workers"
    return f"{len(verdicts)} {noun}: {', '.join(clauses)}"


def _reasons(
    verdict: Verdict,
    required: Mapping[str, Any],
    facts: WorkerFacts,
    timeout_seconds: float | None,
) -> Iterator[_Reason]:
    for rule in verdict.rules:
        path = parse_rule(rule)
        if not path.is_requirement:
            yield _STANDINGS[rule]
        elif path.unwanted:
            name = as_sent(rule, required)
            yield _Reason(f"is excluded by {name}", f"are excluded by {name}")
        elif path.path == "constraints":
            asked = _condition(required_at(path, required))
            yield _Reason(f"fails the constraint {asked}", f"fail the constraint {asked}")
        elif path.path == "models":
            if "service_type" not in verdict.rules:
                yield from _missing_models(path, required, facts)
        elif path.path in _UNITS:
            amount = f"{required_at(path, required):g} {_UNITS[path.path]}"
            yield _Reason(f"lacks {amount}", f"lack {amount}")
        else:
            asked = _words(required_at(path, required, timeout_seconds), _JOINED.get(path.path))
            one, many = _REQUIREMENTS[path.path]
            yield _Reason(one.format(asked), many.format(asked))


def _missing_models(
    path: RulePath, required: Mapping[str, Any], facts: WorkerFacts
) -> Iterator[_Reason]:
    known = {forward_slashes(model) for model in offered_at(path, required, facts) or ()}
    for model in required_at(path, required):
        if forward_slashes(model) not in known:
            name = _words(model)
            yield _Reason(f"lacks model {name}", f"lack model {name}")


def _condition(condition: Mapping[str, Any]) -> str:
    parts = [condition["key"], condition["op"], _words(condition.get("value", ""))]
    return " ".join(parts).rstrip()


def _words(value: Any, joined: str | None = None) -> str:
    if isinstance(value, list):
        text = (joined or " or ").join(
            _words(item) for item in cast("list[Any]", value)[:_MOST_REASONS]
        )
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float):
        text = f"{value:g}"
    else:
        text = str(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
