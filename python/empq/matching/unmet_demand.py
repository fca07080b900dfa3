"""Shapes that hold jobs and that nobody alive can serve, in words: for `/api/stats`. Pure, like explanation.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from empq.matching.interface import Verdict
from empq.matching.nearest_miss import nearest_miss
from empq.matching.paths import WorkerFacts
from empq.matching.summary import summary
from empq.model.demand import demand_of
from empq.model.requirements import decode_requirements
from empq.model.shape import split_lane_id

#: `Matcher.explain`.
Explain = Callable[[bytes, str, Sequence[str]], list[Verdict]]

#: Of an unmet shape's customers, how many are named.
_NAMED_CUSTOMERS = 10


class UnmetShape(NamedTuple):
    """A shape, its lanes that nobody serves, and how many jobs of each customer stand there."""

    base: str
    lanes: list[str]
    customers: Mapping[str, int]

    @property
    def jobs(self) -> int:
        """The jobs that nobody can take."""
        return sum(self.customers.values())


def unmet_shapes(unserved: Iterable[tuple[str, int]]) -> list[UnmetShape]:
    """`Matcher.unserved` by shape, the most jobs first; each shape's customers likewise."""
    lanes: defaultdict[str, list[str]] = defaultdict(list)
    customers: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for lane, count in unserved:
        base, _, customer = split_lane_id(lane)
        lanes[base].append(lane)
        customers[base][customer] = customers[base].get(customer, 0) + count
    shapes = [UnmetShape(base, lanes[base], _most_first(customers[base])) for base in lanes]
    return sorted(shapes, key=lambda shape: (-shape.jobs, shape.base))


def _most_first(customers: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(customers.items(), key=lambda item: (-item[1], item[0])))


def told(
    unmet: UnmetShape, document: bytes, explain: Explain, workers: Mapping[str, WorkerFacts]
) -> dict[str, Any]:
    """{shape, type, requirements, customers: [{customer_id, count}], count, reason, nearest_miss}.

    `shape` is the base; `requirements` are those of the shape (sets sorted, a timeout in minutes);
    customers are the ten with the most jobs; reason is explain's summary, for the first of them.
    `workers`: by id, of all that are alive. Costs a few `explain`.
    """
    job_type, required = demand_of(document)
    customers = list(unmet.customers.items())
    verdicts = explain(document, customers[0][0], [])

    def rematch(changed: dict[str, Any]) -> list[Verdict]:
        return explain(decode_requirements(changed).document(job_type), customers[0][0], [])

    return {
        "shape": unmet.base,
        "type": job_type,
        "requirements": required,
        "customers": [
            {"customer_id": customer or None, "count": count}
            for customer, count in customers[:_NAMED_CUSTOMERS]
        ],
        "count": unmet.jobs,
        "reason": summary(verdicts, required, workers),
        "nearest_miss": nearest_miss(verdicts, required, workers, rematch),
    }
