"""Both matchers and a naive scan are told the same, in any order, and answer the same after every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import matching_strategies as some
from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher
from empq.matching.reference import ReferenceMatcher
from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements
from empq.model.shape import lane_id
from naive_scan import NaiveScan
from scene import entry

types = st.sampled_from((None, *some.TYPES))
worker_ids = st.sampled_from(some.WORKERS)
members = st.sampled_from(
    ("", "a", "B", "é", "00000000000000010190163d-8694-7000-8000-0000000000ff")
)


class AllThree(RuleBasedStateMachine):
    """The Rust index beside the reference and the scan."""

    def __init__(self) -> None:
        super().__init__()
        self.reference: Matcher = ReferenceMatcher()
        self.rust: Matcher = make_matcher("rust")
        self.scan = NaiveScan()
        self.bases: list[str] = ["unknown"]
        self.lanes: list[str] = []
        self.number = 0

    def tell(self, call: str, *arguments: Any) -> Any:
        """Says the same to all three; their answers must be equal."""
        expected = getattr(self.reference, call)(*arguments)
        answer = getattr(self.rust, call)(*arguments)
        scanned = getattr(self.scan, call)(*arguments)
        assert answer == expected == scanned, (
            f"{call}{arguments}\nrust      {answer}\nreference {expected}\nscan      {scanned}"
        )
        return answer

    @initialize(
        sent=st.lists(some.wishes, min_size=1, max_size=3),
        job_type=types,
        offers=st.lists(some.capabilities, min_size=1, max_size=3),
        policy=some.policies,
    )
    def begin(
        self,
        sent: list[dict[str, Any]],
        job_type: str | None,
        offers: list[dict[str, Any]],
        policy: tuple[str, str, tuple[int, ...]],
    ) -> None:
        """Something to match with."""
        self.configure(policy)
        for requirements in sent:
            self.add_shape(requirements, job_type)
        for worker_id, capabilities in zip(some.WORKERS, offers, strict=False):
            self.set_worker(worker_id, 1, capabilities)
        workers = [[worker_id, 1, "online", 0, []] for worker_id in some.WORKERS]
        self.lanes = [
            lane_id(base, customer) for base in self.bases for customer in some.CUSTOMERS[:2]
        ]
        lanes = [[lane, place % 3, "a", 1] for place, lane in enumerate(self.lanes)]
        self.number = 1
        self.tell("apply", [entry(1, lanes, workers)])

    @rule(sent=some.requirements | some.wishes, job_type=types)
    def add_shape(self, sent: dict[str, Any], job_type: str | None) -> None:
        shape = decode_requirements(sent).canonical(job_type)
        self.tell("add_shape", *shape)
        self.bases.append(shape.base)

    @rule(worker_id=worker_ids, version=st.integers(0, 3), capabilities=some.capabilities)
    def set_worker(self, worker_id: str, version: int, capabilities: dict[str, Any]) -> None:
        self.tell("set_worker", worker_id, version, decode_capabilities(capabilities).document())

    @rule(worker_id=worker_ids, load=st.tuples(some.percent, some.percent, some.percent))
    def set_load(self, worker_id: str, load: tuple[int, int, int]) -> None:
        self.tell("set_load", worker_id, *load)

    @rule(worker_id=worker_ids)
    def remove_worker(self, worker_id: str) -> None:
        self.tell("remove_worker", worker_id)

    @rule(data=st.data(), steps=st.lists(st.sampled_from((1, 1, 1, 0, -1, -2, 3)), max_size=4))
    def apply(self, data: st.DataObject, steps: list[int]) -> None:
        entries: list[bytes] = []
        for step in steps:
            self.number = max(self.number + step, 0)
            lanes = data.draw(st.lists(self.lane_entries(), max_size=3))
            workers = data.draw(st.lists(self.worker_entries(), max_size=2))
            limits = data.draw(some.limits)
            entries.append(entry(self.number, lanes, workers, *limits))
        self.tell("apply", entries)

    @rule(pauses=some.pauses)
    def pause(self, pauses: list[list[str]]) -> None:
        self.number += 1
        self.tell("apply", [entry(self.number, [], [], pauses, [])])

    @rule(customers=st.lists(some.customer_entries, min_size=1, max_size=2))
    def customer(self, customers: list[list[Any]]) -> None:
        self.number += 1
        self.tell("apply", [entry(self.number, [], [], 0, customers)])

    @rule(policy=some.policies)
    def configure(self, policy: tuple[str, str, tuple[int, ...]]) -> None:
        self.tell("configure", *policy)

    @rule(skipped=st.sampled_from((9_998, 9_999, 10_000)))
    def numbers_pass(self, skipped: int) -> None:
        self.tell("apply", [entry(self.number + skipped)])

    @rule(chance=st.integers(0, 9))
    def reset(self, chance: int) -> None:
        if chance == 9:
            self.tell("reset")

    @rule(
        sent=some.requirements,
        job_type=types,
        customer=st.sampled_from(some.CUSTOMERS),
        avoided=some.avoided,
    )
    def explain(
        self, sent: dict[str, Any], job_type: str | None, customer: str, avoided: list[str]
    ) -> None:
        self.tell("explain", decode_requirements(sent).document(job_type), customer, avoided)

    @rule(
        malformed=st.sampled_from(
            (b"", b"\x93", entry(1, [["x", 1, "a", 1]]), entry(1, [], [["w1", 1, "", 0, []]]))
        )
    )
    def apply_malformed(self, malformed: bytes) -> None:
        good = entry(self.number + 1, [[lane, 0, "", 0] for lane in self.lanes])
        for matcher in (self.reference, self.rust):
            with pytest.raises(ValueError, match="entry 1"):
                matcher.apply([good, malformed])

    @invariant()
    def answers_agree(self) -> None:
        for worker_id in some.WORKERS:
            for limit in (1, 2, 100):
                self.tell("propose", worker_id, limit)
            self.tell("explain_worker", worker_id)
        self.tell("unserved")
        for lane in dict.fromkeys(self.lanes):
            self.tell("offer", lane, some.WORKERS)

    @invariant()
    def figures_agree_and_structures_are_sound(self) -> None:
        expected, figures = self.reference.figures(), self.rust.figures()
        assert (figures.jobs, figures.lanes, figures.workers) == (
            expected.jobs,
            expected.lanes,
            expected.workers,
        )
        assert self.rust.check() == []
        assert self.reference.check() == []

    def lane_entries(self) -> st.SearchStrategy[list[Any]]:
        def remembered(base: str, customer: str, avoided: list[str]) -> str:
            lane = lane_id(base, customer, avoided)
            self.lanes.append(lane)
            return lane

        lanes = st.builds(
            remembered, st.sampled_from(self.bases), st.sampled_from(some.CUSTOMERS), some.avoided
        )
        filled = st.tuples(lanes, some.ranks, members.filter(bool), st.integers(1, 3))
        return (filled | filled | st.tuples(lanes, st.just(0), st.just(""), st.just(0))).map(list)

    def worker_entries(self) -> st.SearchStrategy[list[Any]]:
        return st.tuples(
            worker_ids, st.integers(0, 4), some.states, st.integers(0, 2), some.held.map(lambda held: [list(job) for job in held])
        ).map(list)  # fmt: skip


AllThree.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAllThree = AllThree.TestCase
