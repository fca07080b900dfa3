"""What both matchers obey: the Rust index (`_rust`) and the pure-Python reference.

A matcher is a pure function of what it was told: no clock, no random numbers, no I/O. Documents are
JSON bytes with scaled integers, made by model/requirements.py and model/capabilities.py; index
entries are the `i` parts of the event log (msgpack, see `IndexEntry` below). Rules: matching.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Applied(NamedTuple):
    """What one batch of log entries changed.

    grown: lanes whose count rose, best head first (so that waiting claims can be offered them).
    missing_shapes: bases whose lanes hold jobs and whose document is not known yet; their lanes
    take no part until `add_shape`. stale_workers: workers whose entry names a newer version of their
    capabilities than the one known here; fetch it and call `set_worker`.
    last_number: the number of the last entry, 0 for an empty batch.
    """

    grown: list[str]
    missing_shapes: list[str]
    stale_workers: list[str]
    last_number: int


class Proposal(NamedTuple):
    """One lane that a worker may take from: its id, its head (rank, member) and the worker's score for it."""

    lane: str
    rank: int
    member: str
    score: int


class Verdict(NamedTuple):
    """One worker's answer to one set of requirements.

    rules: the rule of every rejection, in the order of matching.md and contract.md; empty = eligible.
    score and dimensions (service, hardware, load, isolation, performance, location, cost,
    preferences) are None where it is not eligible.
    """

    worker_id: str
    rules: list[str]
    score: int | None
    dimensions: tuple[int, int, int, int, int, int, int, int] | None


class IndexFigures(NamedTuple):
    """Sizes: queued jobs, lanes that hold jobs, shapes, profiles, workers not offline."""

    jobs: int
    lanes: int
    shapes: int
    profiles: int
    workers: int


class Matcher(Protocol):
    """The index of all lanes and all workers of one data set."""

    def configure(self, order: str, fit: str, weights: Sequence[int]) -> None:
        """The policies: order fifo | score | fair; fit best_fit | headroom; seven weights that sum to 100.

        weights: service, hardware, load, isolation, performance, location, cost. Until called: fifo,
        best_fit, 35 25 15 10 5 5 5. Raises ValueError for anything else. May be called at any time.
        """
        ...

    def add_shape(self, base: str, document: bytes) -> None:
        """Makes a shape known. `base` is its digest; a second call for the same base changes nothing."""
        ...

    def set_worker(self, worker_id: str, version: int, document: bytes) -> None:
        """Sets a worker's capabilities; an older `version` than the known one changes nothing.

        The worker takes part once an index entry has said that it is online (its state, idle time and
        held jobs come from entries alone).
        """
        ...

    def set_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        """The last heartbeat's load, each 0..100. Unknown workers are ignored."""
        ...

    def remove_worker(self, worker_id: str) -> None:
        """Forgets a worker and its documents."""
        ...

    def apply(self, entries: Sequence[bytes]) -> Applied:
        """Applies index parts of log entries in the order given; applying one twice, late or ahead does no harm.

        Raises ValueError where an entry is malformed; nothing of that batch is applied then.
        """
        ...

    def reset(self) -> None:
        """Forgets every lane and every worker's state (shapes and capabilities stay), before a rebuild."""
        ...

    def propose(self, worker_id: str, limit: int) -> list[Proposal]:
        """The lanes this worker may take from now, best first, at most `limit`.

        fifo: by (rank, member). score: by priority (rank >> 46), then highest score, then (rank, member).
        fair: by priority, then the customer's virtual time, then (rank, member).

        Empty where the worker is unknown, offline, draining or has no free slot. Exact: the first
        lane's head is the best job of all that are queued and that this worker may take.
        """
        ...

    def offer(self, lane: str, waiting: Sequence[str]) -> list[str]:
        """Those of the waiting workers that may take the lane's head now: highest score, then longest idle, then id.

        `lane` need not hold jobs yet (its shape must be known): a submission is offered in its own round trip.
        """
        ...

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        """Every worker that is not offline, by worker id, with all rules that it breaks.

        `document` is a shape document in the order sent. Without "type" the type rules are skipped.
        """
        ...

    def explain_worker(self, worker_id: str) -> list[tuple[str, int, list[str]]]:
        """For one worker, every lane that holds jobs: (lane id, count, rules that keep it away), by lane id."""
        ...

    def unserved(self) -> list[tuple[str, int]]:
        """Lanes of known shapes that hold jobs which nobody taking part could ever take: (lane id, count), by lane id.

        Each worker breaks a rule that neither time nor an operator lifts: a requirement, the type, the customer.
        """
        ...

    def figures(self) -> IndexFigures:
        """Sizes, for statistics and tests."""
        ...

    def check(self) -> list[str]:
        """Inconsistencies of the structure, one sentence each; empty where all is well. For tests."""
        ...
