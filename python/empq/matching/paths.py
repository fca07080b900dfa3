"""Rules as paths: what stands at a rule's path in a job's requirements, and what a worker has there.

Values are as sent. Rules that are no requirement path (slots, draining, …) have what was counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

#: The requirement paths in table order; constraints and not.* follow.
TABLE = (
    "service_type", "component", "workflow", "models", "hardware.gpu_memory_gb",
    "hardware.gpu_count", "hardware.cpu_cores", "hardware.ram_gb", "hardware.storage_gb",
    "hardware.gpu_model", "customer_isolation", "geographic_region", "compliance",
    "quality_level", "cost_tier", "timeout_minutes", "constraints",
)  # fmt: skip
NUMBERS = frozenset(
    {path for path in TABLE if path.startswith("hardware.")} - {"hardware.gpu_model"}
) | {"timeout_minutes"}

_OFFERED = {
    "component": ("components",),
    "workflow": ("workflows",),
    "customer_isolation": ("customer_access", "isolation"),
    "geographic_region": ("location", "region"),
    "compliance": ("location", "compliance"),
    "quality_level": ("performance", "quality_levels"),
    "cost_tier": ("cost", "tier"),
    "timeout_minutes": ("performance", "max_processing_time_minutes"),
}
#: Rules that are no requirement path, by where their list stands in the capabilities.
LISTS = {
    "customer_access": ("customer_access", "allowed_customers"),
    "job_types": ("job_types",),
}
_RULE = re.compile(r"(not\.)?([a-z_.]+)(?:\[(\d+)\])?\Z")


class WorkerFacts(NamedTuple):
    """A worker's capabilities as sent, and the jobs that it holds as (customer, service or "", strict)."""

    capabilities: Mapping[str, Any]
    held: Sequence[tuple[str, str, int]] = ()


class Quota(NamedTuple):
    """A customer's jobs assigned, accepted or in progress, and how many it may have of them."""

    active: int
    max_active: int


class RulePath(NamedTuple):
    """A rule taken apart: `not.models[1]` is (True, "models", 1)."""

    unwanted: bool
    path: str
    element: int | None

    @property
    def is_requirement(self) -> bool:
        return self.path in TABLE

    @property
    def is_number(self) -> bool:
        """Whether a nearest miss is measured by how far the numbers are apart."""
        return not self.unwanted and self.path in NUMBERS

    @property
    def place(self) -> tuple[int, int, int]:
        """Sorts in table order."""
        position = TABLE.index(self.path) if self.path in TABLE else len(TABLE)
        return int(self.unwanted), position, -1 if self.element is None else self.element

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to the path in the requirements, without the index."""
        keys = tuple(self.path.split("."))
        return ("not", *keys) if self.unwanted else keys


def parse_rule(rule: str) -> RulePath:
    """Takes a rule's name apart."""
    match = _RULE.match(rule)
    if match is None:
        raise ValueError(f"not a rule: {rule!r}")
    index = match[3]
    return RulePath(match[1] is not None, match[2], None if index is None else int(index))


def value_at(given: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The value under these keys, None where there is none."""
    value: Any = given
    for key in keys:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, Mapping) else None
    return value


def as_sent(rule: str, required: Mapping[str, Any]) -> str:
    """The rule's name for requirements as sent: without [0] where a string stands instead of a list."""
    path = parse_rule(rule)
    if path.element is not None and isinstance(value_at(required, path.keys), str):
        return rule.rpartition("[")[0]
    return rule


def required_at(
    path: RulePath, required: Mapping[str, Any], timeout_seconds: float | None = None
) -> Any:
    """What the job asks at the path; a timeout that is stated in seconds only is asked in minutes."""
    value = value_at(required, path.keys)
    if path.element is not None and isinstance(value, list):
        return cast("list[Any]", value)[path.element]
    if path.path == "timeout_minutes" and value is None and timeout_seconds is not None:
        return timeout_seconds / 60
    return value


def offered_at(path: RulePath, required: Mapping[str, Any], facts: WorkerFacts) -> Any:
    """What the worker has at the path."""
    capabilities = facts.capabilities
    if path.path == "service_type":
        return [service["name"] for service in services(facts)]
    if path.path == "models":
        return service_of(facts, required.get("service_type")).get("models")
    if path.path.startswith("hardware."):
        return value_at(capabilities, path.path.split("."))
    if path.path == "constraints":
        wanted = required_at(path, required)
        return value_at(capabilities, ("labels", wanted["key"]))
    return value_at(capabilities, _OFFERED[path.path])


def counted(
    rule: str, required: Mapping[str, Any], facts: WorkerFacts, quota: Quota | None
) -> dict[str, int] | None:
    """What was counted for a rule that is no requirement path; None where nothing was."""
    match rule:
        case "slots":
            return _slots(required, facts)
        case "customer_quota":
            return None if quota is None else quota._asdict()
        case "max_concurrent_customers":
            keys = ("customer_access", "max_concurrent_customers")
            total = value_at(facts.capabilities, keys) or 0
            return {"held": len({job[0] for job in facts.held}), "total": total}
        case _:
            return None


def _slots(required: Mapping[str, Any], facts: WorkerFacts) -> dict[str, int]:
    """Of the worker, or of the service that is at its capacity."""
    total = value_at(facts.capabilities, ("performance", "concurrent_jobs")) or 1
    if len(facts.held) >= total:
        return {"held": len(facts.held), "total": total}
    service = service_of(facts, required.get("service_type"))
    held = sum(job[1] == service.get("name") for job in facts.held)
    return {"held": held, "total": service.get("capacity") or 0}


def services(facts: WorkerFacts) -> list[dict[str, Any]]:
    """The worker's services as sent."""
    return facts.capabilities.get("services") or []


def service_of(facts: WorkerFacts, name: str | None) -> dict[str, Any]:
    """The service of this name as sent; empty where the worker has none."""
    for service in services(facts):
        if service["name"] == name:
            return service
    return {}
