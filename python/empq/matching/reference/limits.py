"""What holds whatever a worker can do: pauses, and customers' quotas and shares."""

from __future__ import annotations

from collections.abc import Sequence

from empq.matching.reference.documents import Shape
from empq.matching.reference.entries import CustomerEntry, Pause

NO_QUOTA = -1


class Limits:
    """All pauses, and what the last entry said of each customer."""

    def __init__(self) -> None:
        # Before the first entry the number is below every other.
        self._pauses_number = -1
        self._pauses: frozenset[Pause] = frozenset()
        self._customers: dict[str, tuple[int, CustomerEntry]] = {}

    def take_pauses(self, number: int, pauses: Sequence[Pause]) -> None:
        """Replaces all pauses, unless a later entry named them."""
        if number > self._pauses_number:
            self._pauses_number, self._pauses = number, frozenset(pauses)

    def take_customer(self, number: int, entry: CustomerEntry) -> None:
        """Replaces a customer, unless a later entry told of it."""
        known = self._customers.get(entry.customer)
        if known is None or number > known[0]:
            self._customers[entry.customer] = (number, entry)

    def is_paused(self, shape: Shape, customer: str, worker_id: str) -> bool:
        """Whether a pause names the worker, the customer, or the service or the type that is asked."""
        named = {("worker", worker_id), ("customer", customer)}
        if shape.service is not None:
            named.add(("service", shape.service))
        if shape.job_type is not None:
            named.add(("type", shape.job_type))
        return not self._pauses.isdisjoint(named)

    def is_at_quota(self, customer: str) -> bool:
        """Whether the customer has as many jobs under way as it may."""
        told = self._told(customer)
        return told is not None and told.max_active != NO_QUOTA and told.active >= told.max_active

    def virtual_time(self, customer: str) -> int:
        """What the customer has had of its share."""
        told = self._told(customer)
        return 0 if told is None else told.virtual_time

    def _told(self, customer: str) -> CustomerEntry | None:
        known = self._customers.get(customer)
        return None if known is None else known[1]
