"""matching.md once more, over plain JSON documents: rules and scores for the linear scan of the tests.

Shares nothing with either matcher, and is in no hurry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HARDWARE = ("gpu_memory_gb", "gpu_count", "cpu_cores", "ram_gb", "storage_gb")
Document = dict[str, Any]
Held = list[tuple[str, str, int]]


def service_named(offer: Document, name: str | None) -> Document | None:
    found = [it for it in offer["services"] if it["name"] == name]
    return found[0] if found else None


def has(names: Any, name: str) -> bool:
    return names in (None, "all") or name in names


def has_model(offer: Document, service: str | None, model: str) -> bool:
    found = service_named(offer, service)
    return found is not None and has(found["models"], model)


def in_region(offer: Document, region: str) -> bool:
    own = offer.get("region")
    return own is not None and (own + "-").startswith(region + "-")


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type: True is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return all(any(same(a, b) for b in other) for a in one) and all(
            any(same(a, b) for a in one) for b in other
        )
    return type(one) is type(other) and one == other


def number(value: Any) -> bool:
    return type(value) is int


def holds(condition: Document, offered: Any) -> bool:
    """A condition over what the worker has under its key; None = absent."""
    op, wanted = condition["op"], condition.get("value")
    elements = offered if isinstance(offered, list) else [offered]
    if op in ("ne", "not_in", "not_exists"):
        opposite = {"ne": "eq", "not_in": "in", "not_exists": "exists"}[op]
        return not holds({**condition, "op": opposite}, offered)
    if offered is None:
        return False
    if op == "exists":
        return True
    if op == "eq":
        return same(wanted, offered)
    if op == "in":
        return any(same(a, b) for a in wanted for b in elements)
    if op == "contains_all":
        return all(any(same(a, b) for b in elements) for a in wanted)
    if not number(offered) or not number(wanted):
        return False
    return {
        "gt": offered > wanted, "ge": offered >= wanted, "lt": offered < wanted, "le": offered <= wanted,
    }[op]  # fmt: skip


def failed_requirements(shape: Document, offer: Document) -> Iterator[str]:
    if "service" in shape and service_named(offer, shape["service"]) is None:
        yield "service_type"
    for key in ("component", "workflow"):
        if key in shape and not has(offer.get(key + "s"), shape[key]):
            yield key
    if any(not has_model(offer, shape.get("service"), it) for it in shape.get("models", [])):
        yield "models"
    for key in HARDWARE:
        if offer["hardware"].get(key, 0) < shape.get("hardware", {}).get(key, 0):
            yield f"hardware.{key}"
    yield from failed_places(shape, offer)
    yield from failed_terms(shape, offer)
    labels = offer.get("labels", {})
    for i, condition in enumerate(shape.get("constraints", [])):
        if not holds(condition, labels.get(condition["key"])):
            yield f"constraints[{i}]"


def failed_places(shape: Document, offer: Document) -> Iterator[str]:
    if "gpu_model" in shape and offer.get("gpu_model") not in shape["gpu_model"]:
        yield "hardware.gpu_model"
    if offer.get("isolation", 0) < shape["isolation"]:
        yield "customer_isolation"
    if "region" in shape and not any(in_region(offer, it) for it in shape["region"]):
        yield "geographic_region"
    if not set(shape.get("compliance", [])) <= set(offer.get("compliance", [])):
        yield "compliance"


def failed_terms(shape: Document, offer: Document) -> Iterator[str]:
    levels = offer.get("quality_levels", [])
    if "quality_required" in shape and shape["quality_level"] not in levels:
        yield "quality_level"
    if "cost_tier" in shape and offer.get("cost_tier", 1) > shape["cost_tier"]:
        yield "cost_tier"
    longest = offer.get("max_processing_time_minutes")
    if longest is not None and shape.get("timeout_minutes", 0) > longest:
        yield "timeout_minutes"


def unwanted_leaves(shape: Document, offer: Document) -> Iterator[str]:
    it, service = shape.get("not", {}), shape.get("service")
    if "service" in it and service_named(offer, it["service"]) is not None:
        yield "not.service_type"
    for key in ("component", "workflow"):
        if key in it and has(offer.get(key + "s"), it[key]):
            yield f"not.{key}"
    yield from firsts("models", it.get("models", []), lambda one: has_model(offer, service, one))
    for key in HARDWARE:
        if key in it.get("hardware", {}) and offer["hardware"].get(key, 0) >= it["hardware"][key]:
            yield f"not.hardware.{key}"
    models = it.get("gpu_model", [])
    yield from firsts("hardware.gpu_model", models, lambda one: one == offer.get("gpu_model"))
    yield from firsts("geographic_region", it.get("region", []), lambda one: in_region(offer, one))
    complied = offer.get("compliance", [])
    yield from firsts("compliance", it.get("compliance", []), lambda one: one in complied)
    if "quality_level" in it and it["quality_level"] in offer.get("quality_levels", []):
        yield "not.quality_level"
    if "cost_tier" in it and it["cost_tier"] == offer.get("cost_tier", 1):
        yield "not.cost_tier"
    labels = offer.get("labels", {})
    conditions = it.get("constraints", [])
    yield from firsts("constraints", conditions, lambda one: holds(one, labels.get(one["key"])))


def firsts(path: str, items: list[Any], is_met: Any) -> Iterator[str]:
    for i, item in enumerate(items):
        if is_met(item) and not any(alike(item, earlier) for earlier in items[:i]):
            yield f"not.{path}[{i}]"


def alike(one: Any, other: Any) -> bool:
    if not isinstance(one, dict):
        return one == other
    values = one.get("value"), other.get("value")
    return (one["key"], one["op"]) == (other["key"], other["op"]) and same(*values)


def failed_standing(
    shape: Document, customer: str, offer: Document, held: Held, state: str, facts: Any
) -> Iterator[str]:
    """facts: (is paused, is at quota)."""
    is_paused, is_at_quota = facts
    service = service_named(offer, shape.get("service"))
    of_service = [job for job in held if service is not None and job[1] == service["name"]]
    capacity = None if service is None else service.get("capacity")
    if len(held) >= offer["concurrent_jobs"] or (
        capacity is not None and len(of_service) >= capacity
    ):
        yield "slots"
    if state == "draining":
        yield "draining"
    if is_paused:
        yield "paused"
    asked = offer["services"] if "service" not in shape else [service] if service else None
    if asked is not None and not any(it["healthy"] for it in asked):
        yield "service_health"
    others = [job for job in held if job[0] != customer]
    if others and (shape["isolation"] == 2 or max(job[2] for job in others)):
        yield "isolation_held"
    if customer in offer["denied_customers"] or not has(offer.get("allowed_customers"), customer):
        yield "customer_access"
    if is_at_quota:
        yield "customer_quota"
    present = {job[0] for job in held}
    most = offer.get("max_concurrent_customers", len(present) + 1)
    if customer not in present and len(present) + 1 > most:
        yield "max_concurrent_customers"
    if "type" in shape and not has(offer.get("job_types"), shape["type"]):
        yield "job_types"


def dimensions(
    shape: Document, customer: str, worker_id: str, offer: Document, used: Any, fit: str
) -> list[int]:
    """used: (held jobs, the busiest percent)."""
    service = service_named(offer, shape.get("service"))
    loaded = service["loaded"] if service else []
    named = [
        name in shape and isinstance(offer.get(names), list) and shape[name] in offer[names]
        for name, names in (("component", "components"), ("workflow", "workflows"))
    ]
    fits = [
        10_000 * least // offer["hardware"][key] for key, least in shape.get("hardware", {}).items()
    ]
    fill = sum(fits) // len(fits) if fits else 5_000
    slots, (held, percent) = offer["concurrent_jobs"], used
    level, levels = shape.get("quality_level"), offer.get("quality_levels", [])
    regions = shape.get("region")
    return [
        5_000 + 3_000 * (set(shape.get("models", [])) <= set(loaded)) + 1_000 * sum(named),
        fill if fit == "best_fit" else 10_000 - fill,
        7_000 * (slots - held) // slots + 30 * (100 - percent),
        {0: 10_000, 1: 5_000, 2: 2_500}[offer.get("isolation", 0) - shape["isolation"]],
        10_000 if level is None or level in levels else 5_000,
        5_000 if regions is None else 10_000 if offer.get("region") in regions else 7_500,
        {0: 10_000, 1: 6_000, 2: 3_000}[offer.get("cost_tier", 1)],
        preference(shape, customer, worker_id, offer),
    ]


def preference(shape: Document, customer: str, worker_id: str, offer: Document) -> int:
    votes = [
        (it["weight"], holds(it, attribute(it["key"], worker_id, offer)))
        for it in shape.get("prefer", [])
    ]
    who = {"customers": customer, "components": shape.get("component"), "types": shape.get("type")}
    for name, names in offer["affinity"].items():
        liking, what = name.split("_")
        if names and not (what == "types" and "type" not in shape):
            votes.append((50 if liking == "preferred" else -50, who[what] in names))
    whole = sum(abs(weight) for weight, _ in votes)
    return 2_000 * sum(weight for weight, it_holds in votes if it_holds) // whole if whole else 0


def attribute(key: str, worker_id: str, offer: Document) -> Any:
    group, _, name = key.partition(".")
    if key == "worker_id":
        return worker_id
    if key == "services":
        return [it["name"] for it in offer["services"]]
    if key in ("components", "workflows"):
        return offer.get(key)
    if group == "hardware" and name in HARDWARE:
        return offer["hardware"].get(name)
    words = {"tier": ("economy", "standard", "premium"), "isolation": ("none", "loose", "strict")}
    if key in ("cost.tier", "customer_access.isolation"):
        place = offer.get("cost_tier" if name == "tier" else "isolation")
        return None if place is None else words[name][place]
    if key in (
        "hardware.gpu_model", "location.region", "location.compliance", "cost.rate_per_hour",
        "performance.quality_levels",
    ):  # fmt: skip
        return offer.get(name)
    return offer["labels"].get(key)
