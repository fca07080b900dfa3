"""The integer score of an eligible pair, dimension by dimension (matching.md, "Score")."""

from __future__ import annotations

import operator
from typing import NamedTuple

from empq.matching.reference import constraint
from empq.matching.reference.documents import HARDWARE, Capabilities, Names, Shape, Value
from empq.matching.reference.eligibility import cost_tier, has_quality
from empq.matching.reference.policy import Policy
from empq.matching.reference.worker import Candidate

AFFINITY_WEIGHT = 50
LEVELS = ("none", "loose", "strict")
TIERS = ("economy", "standard", "premium")

Dimensions = tuple[int, int, int, int, int, int, int, int]


class Score(NamedTuple):
    """The total, 0..10000, and the unweighted dimensions, preferences last."""

    total: int
    dimensions: Dimensions


def score(shape: Shape, customer: str, worker: Candidate, policy: Policy) -> Score:
    """How well an eligible worker suits the customer's jobs of this shape."""
    offer = worker.capabilities
    values = (
        _service(shape, offer),
        _hardware(shape, offer, policy.fit),
        _load(worker),
        (10_000, 5_000, 2_500)[(offer.isolation or 0) - shape.isolation],
        10_000 if shape.quality_level is None or has_quality(offer, shape.quality_level) else 5_000,
        _location(shape, offer),
        (10_000, 6_000, 3_000)[cost_tier(offer)],
    )
    preferences = _preferences(shape, customer, worker)
    weighted = sum(map(operator.mul, policy.weights, values)) // 100
    return Score(min(max(weighted + preferences, 0), 10_000), (*values, preferences))


def _service(shape: Shape, offer: Capabilities) -> int:
    service = offer.service(shape.service) if shape.service is not None else None
    loaded = service.loaded if service is not None else []
    return (
        5_000
        + 3_000 * all(model in loaded for model in shape.models)
        + 1_000 * _names(offer.components, shape.component)
        + 1_000 * _names(offer.workflows, shape.workflow)
    )


def _names(names: Names | None, name: str | None) -> bool:
    """Whether the worker's own list has the name; "all" and silence name nothing."""
    return names is not None and names != "all" and name in names


def _hardware(shape: Shape, offer: Capabilities, fit: str) -> int:
    filled = _best_fit(shape, offer)
    return 10_000 - filled if fit == "headroom" else filled


def _best_fit(shape: Shape, offer: Capabilities) -> int:
    # An eligible worker offers at least what is demanded, so it never offers 0 here.
    fits = [
        10_000 * required // offer.hardware[key]
        for key in HARDWARE
        if (required := shape.hardware.get(key, 0)) > 0
    ]
    return sum(fits) // len(fits) if fits else 5_000


def _load(worker: Candidate) -> int:
    slots = worker.capabilities.concurrent_jobs
    free = slots - len(worker.held)
    return 7_000 * free // slots + 30 * (100 - worker.worker.busiest_percent)


def _location(shape: Shape, offer: Capabilities) -> int:
    if not shape.region:
        return 5_000
    return 10_000 if offer.region in shape.region else 7_500


def _preferences(shape: Shape, customer: str, worker: Candidate) -> int:
    weights = [
        (wish.weight, constraint.holds(wish.op, wish.value, _attribute(wish.key, worker)))
        for wish in shape.prefer
    ]
    weights += _affinities(shape, customer, worker.capabilities)
    whole = sum(abs(weight) for weight, _ in weights)
    return 2_000 * sum(weight for weight, holds in weights if holds) // whole if whole else 0


def _affinities(shape: Shape, customer: str, offer: Capabilities) -> list[tuple[int, bool]]:
    affinity = offer.affinity
    lists = [
        (AFFINITY_WEIGHT, affinity.preferred_customers, customer),
        (AFFINITY_WEIGHT, affinity.preferred_components, shape.component),
        (-AFFINITY_WEIGHT, affinity.avoided_customers, customer),
        (-AFFINITY_WEIGHT, affinity.avoided_components, shape.component),
    ]
    if shape.job_type is not None:
        lists += [
            (AFFINITY_WEIGHT, affinity.preferred_types, shape.job_type),
            (-AFFINITY_WEIGHT, affinity.avoided_types, shape.job_type),
        ]
    return [(weight, name in names) for weight, names, name in lists if names]


def _attribute(key: str, worker: Candidate) -> Value | None:
    """What `prefer` sees under a key: an attribute by its name, else a label; None where unstated."""
    offer = worker.capabilities
    attributes: dict[str, Value | None] = {
        **{f"hardware.{resource}": offer.hardware.get(resource) for resource in HARDWARE},
        "hardware.gpu_model": offer.gpu_model,
        "location.region": offer.region,
        "location.compliance": _values(offer.compliance),
        "cost.tier": None if offer.cost_tier is None else TIERS[offer.cost_tier],
        "cost.rate_per_hour": offer.rate_per_hour,
        "performance.quality_levels": _values(offer.quality_levels),
        "customer_access.isolation": None if offer.isolation is None else LEVELS[offer.isolation],
        "services": [service.name for service in offer.services],
        "components": _values(offer.components),
        "workflows": _values(offer.workflows),
        "worker_id": worker.worker_id,
    }
    return attributes[key] if key in attributes else offer.labels.get(key)


def _values(names: Names | None) -> Value | None:
    return [*names] if isinstance(names, list) else names
