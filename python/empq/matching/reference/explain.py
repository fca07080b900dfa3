"""Verdicts: which rules keep which workers from a job. Propose, offer and explain all ask here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from empq.matching.interface import Verdict
from empq.matching.reference.documents import Shape
from empq.matching.reference.eligibility import broken_rules
from empq.matching.reference.limits import Limits
from empq.matching.reference.policy import Policy
from empq.matching.reference.score import score
from empq.matching.reference.worker import Candidate

#: A worker that only these keep away could take the job once something has been finished.
PASSING = frozenset({"slots", "isolation_held", "max_concurrent_customers", "customer_quota"})


#: A worker that only these keep away can take the job some day, as the fleet is.
LIFTED = PASSING | {"draining", "paused", "service_health"}


@dataclass(slots=True)
class Judge:
    """Judges by the limits and the policy in force."""

    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)

    def verdict(
        self,
        shape: Shape,
        customer: str,
        avoided: Collection[str],
        worker: Candidate,
        workers: Iterable[Candidate],
    ) -> Verdict:
        """One worker's verdict among all that take part."""
        rules = broken_rules(shape, customer, worker, self.limits)
        if worker.worker_id in avoided and any(
            other.worker_id not in avoided
            and PASSING.issuperset(broken_rules(shape, customer, other, self.limits))
            for other in workers
        ):
            rules.append("avoided_worker")
        if rules:
            return Verdict(worker.worker_id, rules, None, None)
        total, dimensions = score(shape, customer, worker, self.policy)
        return Verdict(worker.worker_id, rules, total, dimensions)

    def could_ever(self, shape: Shape, customer: str, worker: Candidate) -> bool:
        """Whether no rule keeps the worker away that neither time nor an operator lifts."""
        return LIFTED.issuperset(broken_rules(shape, customer, worker, self.limits))
