"""Verdicts to one sentence: "12 workers: 7 lack 24 GB of GPU memory, 5 lack model X"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
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
#: Of one worker's broken rules, how many are counted: 1,000 constraints by 1,500 workers are no sentence.
_MOST_RULES = 100

_UNITS = {
    "hardware.gpu_memory_gb": "GB of GPU memory",
    "hardware.gpu_count": "GPUs",
    "hardware.cpu_cores": "CPU cores",
    "hardware.ram_gb": "GB of RAM",
    "hardware.storage_gb": "GB of storage",
}


class Reason(NamedTuple):
    """One clause: of one worker about a job, of several, and of one about {} jobs."""

    one: str
    many: str
    jobs: str = ""

    def about(self, jobs: int) -> str:
        """What one worker is to so many jobs."""
        return self.jobs.format(jobs) if self.jobs else f"{self.one} for {jobs}"


#: Of a requirement that a worker does not meet; {} is what the job asks.
_REQUIREMENTS = {
    "service_type": Reason("lacks service {}", "lack service {}"),
    "component": Reason("does not take component {}", "do not take component {}"),
    "workflow": Reason("does not take workflow {}", "do not take workflow {}"),
    "hardware.gpu_model": Reason("lacks GPU model {}", "lack GPU model {}"),
    "customer_isolation": Reason("lacks isolation {}", "lack isolation {}"),
    "geographic_region": Reason("is outside region {}", "are outside region {}"),
    "compliance": Reason("lacks compliance {}", "lack compliance {}"),
    "quality_level": Reason("lacks quality level {}", "lack quality level {}"),
    "cost_tier": Reason("costs more than {}", "cost more than {}"),
    "timeout_minutes": Reason("stops jobs before {} minutes", "stop jobs before {} minutes"),
}
_JOINED = {"compliance": " and "}
STANDINGS = {
    "slots": Reason("has no free slot", "have no free slot"),
    "draining": Reason("is draining", "are draining", "is draining, so takes none of {}"),
    "paused": Reason("is paused for it", "are paused for it", "is paused for {}"),
    "service_health": Reason(
        "has no healthy service for it",
        "have no healthy service for it",
        "has no healthy service for {}",
    ),
    "isolation_held": Reason(
        "is kept apart by isolation for now",
        "are kept apart by isolation for now",
        "is kept apart by isolation from {}",
    ),
    "customer_access": Reason(
        "does not admit the customer",
        "do not admit the customer",
        "does not admit the customers of {}",
    ),
    "customer_quota": Reason(
        "waits for the customer's quota",
        "wait for the customer's quota",
        "waits for customers' quotas with {}",
    ),
    "max_concurrent_customers": Reason(
        "serves its most customers already",
        "serve their most customers already",
        "serves its most customers already, without those of {}",
    ),
    "job_types": Reason(
        "does not take its type", "do not take its type", "does not take the types of {}"
    ),
    "avoided_worker": Reason(
        "failed it a moment ago", "failed it a moment ago", "failed {} a moment ago"
    ),
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
    counts: Counter[Reason] = Counter()
    for verdict in verdicts:
        facts = workers.get(verdict.worker_id, WorkerFacts({}))
        counts.update(reasons(verdict.rules[:_MOST_RULES], required, facts, timeout_seconds))
    eligible = sum(not verdict.rules for verdict in verdicts)
    clauses = [f"{eligible} can take it now"] if eligible else []
    clauses += most_frequent(
        counts, lambda reason, count: f"{count} {reason.one if count == 1 else reason.many}"
    )
    noun = "worker" if len(verdicts) == 1 else "workers"
    return f"{len(verdicts)} {noun}: {', '.join(clauses)}"


def most_frequent(counts: Counter[Reason], clause: Callable[[Reason, int], str]) -> list[str]:
    """The clauses of the most frequent reasons, and how many more there are."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    clauses = [clause(reason, count) for reason, count in order[:_MOST_REASONS]]
    if len(order) > _MOST_REASONS:
        clauses.append(f"and {len(order) - _MOST_REASONS} more reasons")
    return clauses


def reasons(
    rules: Sequence[str],
    required: Mapping[str, Any],
    facts: WorkerFacts,
    timeout_seconds: float | None = None,
) -> set[Reason]:
    """Why these rules keep a worker away, each reason once."""
    return set(_reasons(rules, required, facts, timeout_seconds))


def _reasons(
    rules: Sequence[str],
    required: Mapping[str, Any],
    facts: WorkerFacts,
    timeout_seconds: float | None,
) -> Iterator[Reason]:
    for rule in rules:
        path = parse_rule(rule)
        if not path.is_requirement:
            yield STANDINGS[rule]
        elif path.unwanted:
            name = as_sent(rule, required)
            yield Reason(f"is excluded by {name}", f"are excluded by {name}")
        elif path.path == "constraints":
            asked = _condition(required_at(path, required))
            yield Reason(f"fails the constraint {asked}", f"fail the constraint {asked}")
        elif path.path == "models":
            if "service_type" not in rules:
                yield from _missing_models(path, required, facts)
        elif path.path in _UNITS:
            amount = f"{required_at(path, required):g} {_UNITS[path.path]}"
            yield Reason(f"lacks {amount}", f"lack {amount}")
        else:
            asked = _words(required_at(path, required, timeout_seconds), _JOINED.get(path.path))
            one, many, _ = _REQUIREMENTS[path.path]
            yield Reason(one.format(asked), many.format(asked))


def _missing_models(
    path: RulePath, required: Mapping[str, Any], facts: WorkerFacts
) -> Iterator[Reason]:
    known = {forward_slashes(model) for model in offered_at(path, required, facts) or ()}
    for model in required_at(path, required):
        if forward_slashes(model) not in known:
            name = _words(model)
            yield Reason(f"lacks model {name}", f"lack model {name}")


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
