"""ReferenceMatcher: the matcher of interface.py by linear scans. Knows no I/O, no clock, no dice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from empq.matching.interface import Applied, IndexFigures, Proposal, Verdict
from empq.matching.reference.documents import Shape, read_capabilities, read_shape
from empq.matching.reference.entries import IndexEntry, LaneEntry, WorkerEntry, read_entries
from empq.matching.reference.explain import Judge
from empq.matching.reference.limits import Limits
from empq.matching.reference.policy import read_policy
from empq.matching.reference.rank import Lane, offer_order, pull_order
from empq.matching.reference.worker import Candidate, Held, Worker
from empq.model.shape import split_lane_id

#: An emptied lane keeps its number until this many later numbers have passed.
KEPT_NUMBERS = 10_000


class ReferenceMatcher:
    """See interface.Matcher, which says what each call means."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}
        self._lanes: dict[str, Lane] = {}
        self._workers: dict[str, Worker] = {}
        self._judge = Judge()
        self._highest = 0
        self._next_sweep = KEPT_NUMBERS

    def configure(self, order: str, fit: str, weights: Sequence[int]) -> None:
        self._judge.policy = read_policy(order, fit, weights)

    def add_shape(self, base: str, document: bytes) -> None:
        if base not in self._shapes:
            self._shapes[base] = read_shape(document)

    def set_worker(self, worker_id: str, version: int, document: bytes) -> None:
        capabilities = read_capabilities(document)
        worker = self._workers.setdefault(worker_id, Worker(worker_id))
        if worker.capabilities is None or version >= worker.version:
            worker.version, worker.capabilities = version, capabilities

    def set_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        if worker := self._workers.get(worker_id):
            busiest = max(cpu_percent, memory_percent, gpu_percent)
            worker.busiest_percent = min(max(busiest, 0), 100)

    def remove_worker(self, worker_id: str) -> None:
        self._workers.pop(worker_id, None)

    def reset(self) -> None:
        self._lanes.clear()
        self._judge.limits = Limits()
        self._highest, self._next_sweep = 0, KEPT_NUMBERS
        for worker in self._workers.values():
            worker.leave_log()

    def apply(self, entries: Sequence[bytes]) -> Applied:
        read = read_entries(entries)
        grown: dict[str, Lane] = {}
        touched: set[str] = set()
        stale: set[str] = set()
        for entry in read:
            self._highest = max(self._highest, entry.number)
            for lane in entry.lanes:
                if self._take_lane(entry.number, lane):
                    grown[lane.lane_id] = self._lanes[lane.lane_id]
                touched.add(lane.lane_id)
            stale.update(it.worker_id for it in self._take_workers(entry) if it.is_stale)
            self._take_limits(entry)
        self._sweep()
        lanes = [self._lanes[lane_id] for lane_id in touched if lane_id in self._lanes]
        return Applied(
            grown=[it.lane_id for it in sorted(grown.values(), key=pull_order) if it.count],
            missing_shapes=sorted(
                {it.base for it in lanes if it.count and it.base not in self._shapes}
            ),
            stale_workers=sorted(stale),
            last_number=read[-1].number if read else 0,
        )

    def propose(self, worker_id: str, limit: int) -> list[Proposal]:
        worker = self._candidate(worker_id)
        if worker is None:
            return []
        proposals = (
            Proposal(lane.lane_id, lane.rank, lane.member, score)
            for lane, score in self._in_pull_order(worker)
            if score is not None
        )
        return [proposal for _, proposal in zip(range(limit), proposals, strict=False)]

    def offer(self, lane: str, waiting: Sequence[str]) -> list[str]:
        base, avoided, customer = split_lane_id(lane)
        if base not in self._shapes:
            return []
        asked = Lane(lane, base, avoided, customer)
        able: list[tuple[tuple[int, int, bytes], str]] = []
        for worker_id in dict.fromkeys(waiting):
            worker = self._candidate(worker_id)
            total = None if worker is None else self._verdict(asked, worker).score
            if worker is not None and total is not None:
                able.append((offer_order(total, worker.worker.idle_since_ms, worker_id), worker_id))
        return [worker_id for _, worker_id in sorted(able)]

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        shape, workers = read_shape(document), list(self._candidates())
        judge = self._judge.verdict
        return [judge(shape, customer, avoided, worker, workers) for worker in workers]

    def explain_worker(self, worker_id: str) -> list[tuple[str, int, list[str]]]:
        worker = self._candidate(worker_id)
        if worker is None:
            return []
        lanes = sorted(self._filled_lanes(), key=lambda lane: lane.lane_id.encode())
        return [(lane.lane_id, lane.count, self._verdict(lane, worker).rules) for lane in lanes]

    def unserved(self) -> list[tuple[str, int]]:
        workers = list(self._candidates())
        return sorted(
            (
                (lane.lane_id, lane.count)
                for lane in self._filled_lanes()
                if not any(
                    self._judge.could_ever(self._shapes[lane.base], lane.customer, it)
                    for it in workers
                )
            ),
            key=lambda row: row[0].encode(),
        )

    def figures(self) -> IndexFigures:
        lanes = [lane for lane in self._lanes.values() if lane.count]
        return IndexFigures(
            jobs=sum(lane.count for lane in lanes),
            lanes=len(lanes),
            shapes=len(self._shapes),
            profiles=len({repr(it.capabilities) for it in self._candidates()}),
            workers=sum(not worker.is_offline for worker in self._workers.values()),
        )

    def check(self) -> list[str]:
        wrong = [key for key, lane in self._lanes.items() if bool(lane.count) != bool(lane.member)]
        return [f"lane {lane_id} has a head or jobs, but not both" for lane_id in wrong]

    def _take_lane(self, number: int, entry: LaneEntry) -> bool:
        """Applies one lane's entry; whether its count rose."""
        lane = self._lanes.get(entry.lane_id)
        if lane is None or self._is_forgotten(lane):
            lane = Lane(entry.lane_id, *split_lane_id(entry.lane_id))
            self._lanes[entry.lane_id] = lane
        elif number <= lane.number:
            return False
        rose = entry.count > lane.count
        lane.number, lane.count = number, entry.count
        lane.rank, lane.member = entry.rank, entry.member
        return rose

    def _take_workers(self, entry: IndexEntry) -> Iterator[Worker]:
        """Applies the workers' entries; those that were taken."""
        for item in entry.workers:
            worker = self._workers.setdefault(item.worker_id, Worker(item.worker_id))
            if entry.number > worker.number:
                self._take_worker(entry.number, worker, item)
                yield worker

    def _take_worker(self, number: int, worker: Worker, entry: WorkerEntry) -> None:
        worker.number, worker.named_version = number, entry.version
        worker.state, worker.idle_since_ms = entry.state, entry.idle_since_ms
        worker.held = tuple(Held(*job[:2], bool(job[2])) for job in entry.held)

    def _take_limits(self, entry: IndexEntry) -> None:
        limits = self._judge.limits
        # 0 says that nothing changed.
        if isinstance(entry.pauses, list):
            limits.take_pauses(entry.number, entry.pauses)
        for customer in entry.customers or ():
            limits.take_customer(entry.number, customer)

    def _is_forgotten(self, lane: Lane) -> bool:
        return not lane.count and lane.number + KEPT_NUMBERS <= self._highest

    def _sweep(self) -> None:
        """Drops forgotten lanes, now and then: they cost memory only."""
        if self._highest >= self._next_sweep:
            self._next_sweep = self._highest + KEPT_NUMBERS
            kept = [lane for lane in self._lanes.values() if not self._is_forgotten(lane)]
            self._lanes = {lane.lane_id: lane for lane in kept}

    def _filled_lanes(self) -> Iterator[Lane]:
        """Lanes that hold jobs and whose shape is known."""
        return (it for it in self._lanes.values() if it.count and it.base in self._shapes)

    def _in_pull_order(self, worker: Candidate) -> Iterable[tuple[Lane, int | None]]:
        """All lanes with the worker's score, the first to take first."""
        order, limits = self._judge.policy.order, self._judge.limits
        lanes = sorted(self._filled_lanes(), key=pull_order)
        if order == "fair":
            lanes.sort(key=lambda lane: (lane.level, limits.virtual_time(lane.customer)))
        scored = ((lane, self._verdict(lane, worker).score) for lane in lanes)
        if order == "score":
            return sorted(scored, key=lambda pair: (pair[0].level, -(pair[1] or 0)))
        return scored

    def _verdict(self, lane: Lane, worker: Candidate) -> Verdict:
        return self._judge.verdict(
            self._shapes[lane.base], lane.customer, lane.avoided, worker, self._candidates()
        )

    def _candidate(self, worker_id: str) -> Candidate | None:
        worker = self._workers.get(worker_id)
        if worker is None or worker.is_offline or worker.capabilities is None:
            return None
        return Candidate(worker_id, worker.capabilities, worker)

    def _candidates(self) -> Iterator[Candidate]:
        """The workers that take part, by id."""
        for worker_id in sorted(self._workers, key=str.encode):
            if (candidate := self._candidate(worker_id)) is not None:
                yield candidate
