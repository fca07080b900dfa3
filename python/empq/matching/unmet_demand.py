"""Shapes that hold jobs and that nobody alive can serve: for `/api/stats`. Pure, like explanation.py.

A worker serves a shape for a customer unless some rule keeps it away that neither time nor an operator
lifts (the verdict `never`). Of those rules `customer_access` alone looks at the customer, so that one
`explain` tells of all customers of a shape.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from empq.matching.explanation import PASSING
from empq.matching.interface import Verdict
from empq.matching.nearest_miss import nearest_miss
from empq.matching.paths import WorkerFacts, admits_customer
from empq.matching.summary import summary
from empq.model.demand import demand_of
from empq.model.requirements import decode_requirements
from empq.model.shape import split_lane_id

#: `Matcher.explain`.
Explain = Callable[[bytes, str, Sequence[str]], list[Verdict]]

#: Of an unmet shape's customers, how many are named.
_NAMED_CUSTOMERS = 10
_BY_CUSTOMER = frozenset({"customer_access"})


class QueuedShape(NamedTuple):
    """A shape, its document and how many jobs of each customer are queued."""

    base: str
    document: bytes
    customers: Mapping[str, int]


class UnmetShape(NamedTuple):
    """A shape, those of its customers whom nobody serves, and the verdicts for the first of them."""

    shape: QueuedShape
    customers: Mapping[str, int]
    verdicts: list[Verdict]

    @property
    def jobs(self) -> int:
        """The jobs that nobody can take."""
        return sum(self.customers.values())


def queued_shapes(
    lanes: Iterable[tuple[str, int]], documents: Mapping[str, bytes]
) -> list[QueuedShape]:
    """Lanes (id, count) by their shapes; those without jobs or without a known document are left out."""
    customers: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for lane, count in lanes:
        base, _, customer = split_lane_id(lane)
        if count > 0 and base in documents:
            known = customers[base]
            known[customer] = known.get(customer, 0) + count
    return [QueuedShape(base, documents[base], counts) for base, counts in customers.items()]


def unmet_shape(
    shape: QueuedShape, explain: Explain, workers: Mapping[str, WorkerFacts]
) -> UnmetShape | None:
    """The shape if somebody's jobs of it can be served by nobody. One `explain`; a second where only some wait."""
    customers = dict(sorted(shape.customers.items(), key=lambda item: (-item[1], item[0])))
    first = next(iter(customers))
    verdicts = explain(shape.document, first, [])
    able = [
        workers.get(verdict.worker_id, WorkerFacts({}))
        for verdict in verdicts
        if (PASSING | _BY_CUSTOMER).issuperset(verdict.rules)
    ]
    unmet = {
        customer: count
        for customer, count in customers.items()
        if not any(admits_customer(facts, customer) for facts in able)
    }
    if not unmet:
        return None
    if first not in unmet:
        verdicts = explain(shape.document, next(iter(unmet)), [])
    return UnmetShape(shape, unmet, verdicts)


def unmet_demand(
    shapes: Iterable[QueuedShape],
    explain: Explain,
    workers: Mapping[str, WorkerFacts],
    limit: int = 100,
) -> dict[str, Any]:
    """{total, jobs, shapes}: how many shapes are unmet, how many jobs, and those with the most jobs.

    shapes: [{shape, type, requirements, customers: [{customer_id, count}], count, reason,
    nearest_miss}]. `shape` is the base; `requirements` are those of the shape (sets sorted, a timeout in
    minutes); customers are the ten with the most jobs; reason is explain's summary, for the first of
    them. `workers`: by id, of all that are alive. `limit` bounds the shapes listed; a nearest miss is
    looked for in those alone.
    """
    found = [unmet for shape in shapes if (unmet := unmet_shape(shape, explain, workers))]
    found.sort(key=lambda unmet: (-unmet.jobs, unmet.shape.base))
    return {
        "total": len(found),
        "jobs": sum(unmet.jobs for unmet in found),
        "shapes": [told(unmet, explain, workers) for unmet in found[:limit]],
    }


def told(unmet: UnmetShape, explain: Explain, workers: Mapping[str, WorkerFacts]) -> dict[str, Any]:
    """One entry of `unmet_demand`."""
    job_type, required = demand_of(unmet.shape.document)
    customers = list(unmet.customers.items())

    def rematch(changed: dict[str, Any]) -> list[Verdict]:
        return explain(decode_requirements(changed).document(job_type), customers[0][0], [])

    return {
        "shape": unmet.shape.base,
        "type": job_type,
        "requirements": required,
        "customers": [
            {"customer_id": customer or None, "count": count}
            for customer, count in customers[:_NAMED_CUSTOMERS]
        ],
        "count": unmet.jobs,
        "reason": summary(unmet.verdicts, required, workers),
        "nearest_miss": nearest_miss(unmet.verdicts, required, workers, rematch),
    }
