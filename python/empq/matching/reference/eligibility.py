"""Every hard rule, in the order of matching.md and contract.md; `avoided_worker` is in explain.py.

Every requirement is judged even where an earlier one fails: explain reports them all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from empq.matching.reference import constraint
from empq.matching.reference.documents import (
    HARDWARE,
    Capabilities,
    Condition,
    Names,
    Resource,
    Shape,
)
from empq.matching.reference.limits import Limits
from empq.matching.reference.worker import Candidate

Item = TypeVar("Item", bound=Hashable)

STRICT = 2
STANDARD = 1


def broken_rules(shape: Shape, customer: str, worker: Candidate, limits: Limits) -> list[str]:
    """All rules that keep the worker from the customer's jobs of this shape, but for avoided_worker."""
    offer = worker.capabilities
    return [
        *(rule for rule, holds in _requirements(shape, offer) if not holds),
        *(rule for rule, holds in _unwanted(shape, offer) if holds),
        *_broken_by_standing(shape, customer, worker, limits),
    ]


def _requirements(shape: Shape, offer: Capabilities) -> Iterator[tuple[str, bool]]:
    """The table's rows, then the constraints, each with whether it holds."""
    service, component, workflow = shape.service, shape.component, shape.workflow
    yield "service_type", service is None or offer.service(service) is not None
    yield "component", component is None or admits(offer.components, component)
    yield "workflow", workflow is None or admits(offer.workflows, workflow)
    yield "models", all(_has_model(shape, offer, model) for model in shape.models)
    for key in HARDWARE:
        yield f"hardware.{key}", _has_hardware(offer, key, shape.hardware.get(key, 0))
    yield "hardware.gpu_model", not shape.gpu_model or offer.gpu_model in shape.gpu_model
    yield "customer_isolation", (offer.isolation or 0) >= shape.isolation
    regions = shape.region
    yield "geographic_region", not regions or any(_is_in_region(offer, it) for it in regions)
    yield "compliance", all(_complies(offer, rule) for rule in shape.compliance)
    yield "quality_level", not shape.quality_required or has_quality(offer, shape.quality_level)
    yield "cost_tier", shape.cost_tier is None or cost_tier(offer) <= shape.cost_tier
    minutes, longest = shape.timeout_minutes, offer.max_processing_time_minutes
    yield "timeout_minutes", minutes is None or longest is None or minutes <= longest
    for i, condition in enumerate(shape.constraints):
        yield f"constraints[{i}]", _fits(condition, offer)


def _unwanted(shape: Shape, offer: Capabilities) -> Iterator[tuple[str, bool]]:
    """The leaves of `not`, each with whether it would hold as a requirement of its own."""
    it = shape.unwanted
    yield "not.service_type", it.service is not None and offer.service(it.service) is not None
    yield "not.component", it.component is not None and admits(offer.components, it.component)
    yield "not.workflow", it.workflow is not None and admits(offer.workflows, it.workflow)
    for i, model in _first_places(it.models):
        yield f"not.models[{i}]", _has_model(shape, offer, model)
    for key in HARDWARE:
        least = it.hardware.get(key)
        yield f"not.hardware.{key}", least is not None and _has_hardware(offer, key, least)
    for i, gpu_model in _first_places(it.gpu_model):
        yield f"not.hardware.gpu_model[{i}]", offer.gpu_model == gpu_model
    for i, region in _first_places(it.region):
        yield f"not.geographic_region[{i}]", _is_in_region(offer, region)
    for i, rule in _first_places(it.compliance):
        yield f"not.compliance[{i}]", _complies(offer, rule)
    level = it.quality_level
    yield "not.quality_level", level is not None and has_quality(offer, level)
    yield "not.cost_tier", it.cost_tier is not None and it.cost_tier == cost_tier(offer)
    meanings = [(one.key, one.op, constraint.distinct(one.value)) for one in it.constraints]
    for i, _ in _first_places(meanings):
        yield f"not.constraints[{i}]", _fits(it.constraints[i], offer)


def _broken_by_standing(
    shape: Shape, customer: str, worker: Candidate, limits: Limits
) -> Iterator[str]:
    """The rules after the paths."""
    offer, held = worker.capabilities, worker.held
    if len(held) >= offer.concurrent_jobs or _is_at_capacity(shape, worker):
        yield "slots"
    if worker.worker.state == "draining":
        yield "draining"
    if limits.is_paused(shape, customer, worker.worker_id):
        yield "paused"
    if _is_unhealthy(shape, offer):
        yield "service_health"
    others = [job for job in held if job.customer != customer]
    if (shape.isolation == STRICT and others) or any(job.strict for job in others):
        yield "isolation_held"
    allowed = offer.allowed_customers
    if (allowed is not None and customer not in allowed) or customer in offer.denied_customers:
        yield "customer_access"
    if limits.is_at_quota(customer):
        yield "customer_quota"
    customers, most = {job.customer for job in held}, offer.max_concurrent_customers
    if most is not None and customer not in customers and len(customers) >= most:
        yield "max_concurrent_customers"
    if shape.job_type is not None and not admits(offer.job_types, shape.job_type):
        yield "job_types"


def admits(names: Names | None, name: str) -> bool:
    """Whether a worker's list admits a name: unstated and "all" admit every one."""
    return names is None or names == "all" or name in names


def cost_tier(offer: Capabilities) -> int:
    """The worker's tier; unstated is standard."""
    return STANDARD if offer.cost_tier is None else offer.cost_tier


def has_quality(offer: Capabilities, level: str | None) -> bool:
    """Whether the worker states this quality level."""
    return level in (offer.quality_levels or ())


def _has_model(shape: Shape, offer: Capabilities, model: str) -> bool:
    service = offer.service(shape.service) if shape.service is not None else None
    return service is not None and admits(service.models, model)


def _has_hardware(offer: Capabilities, key: Resource, least: int) -> bool:
    return offer.hardware.get(key, 0) >= least


def _is_in_region(offer: Capabilities, region: str) -> bool:
    own = offer.region
    return own is not None and (own == region or own.startswith(region + "-"))


def _complies(offer: Capabilities, rule: str) -> bool:
    return rule in (offer.compliance or ())


def _fits(condition: Condition, offer: Capabilities) -> bool:
    return constraint.holds(condition.op, condition.value, offer.labels.get(condition.key))


def _is_at_capacity(shape: Shape, worker: Candidate) -> bool:
    service = worker.capabilities.service(shape.service) if shape.service is not None else None
    if service is None or service.capacity is None:
        return False
    return sum(job.service == service.name for job in worker.held) >= service.capacity


def _is_unhealthy(shape: Shape, offer: Capabilities) -> bool:
    if shape.service is None:
        return not any(service.healthy for service in offer.services)
    service = offer.service(shape.service)
    return service is not None and not service.healthy


def _first_places(items: Iterable[Item]) -> Iterator[tuple[int, Item]]:
    """Each different item with its first index."""
    known: set[Item] = set()
    for i, item in enumerate(items):
        if item not in known:
            known.add(item)
            yield i, item
