"""Verdicts: which rules keep which workers from a job. Propose, offer and explain all ask here."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from empq.matching.interface import Verdict
from empq.matching.reference.documents import Shape
from empq.matching.reference.eligibility import broken_rules
from empq.matching.reference.score import score
from empq.matching.reference.worker import Candidate

#: A worker that only these keep away could take the job once it has finished something.
PASSING = frozenset({"slots", "isolation_held", "max_concurrent_customers", "customer_quota"})


def verdict(
    shape: Shape,
    customer: str,
    avoided: Collection[str],
    worker: Candidate,
    workers: Iterable[Candidate],
) -> Verdict:
    """One worker's verdict among all that take part."""
    rules = broken_rules(shape, customer, worker)
    if worker.worker_id in avoided and any(
        other.worker_id not in avoided and PASSING.issuperset(broken_rules(shape, customer, other))
        for other in workers
    ):
        rules.append("avoided_worker")
    if rules:
        return Verdict(worker.worker_id, rules, None, None)
    total, dimensions = score(shape, customer, worker)
    return Verdict(worker.worker_id, rules, total, dimensions)
