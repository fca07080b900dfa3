"""The slowest matcher: it remembers what it was told and looks at everything for every question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

import naive_rules as rules
from empq.matching.interface import Applied, Proposal, Verdict

FOR_NOW = {"slots", "isolation_held", "max_concurrent_customers", "customer_quota"}


PASSES = FOR_NOW | {"draining", "paused", "service_health"}


class NaiveScan:
    """Answers what `Matcher` answers, but for figures and check."""

    def __init__(self) -> None:
        self.policy: tuple[str, str, Sequence[int]] = (
            "fifo",
            "best_fit",
            (35, 25, 15, 10, 5, 5, 5),
        )
        self.shapes: dict[str, dict[str, Any]] = {}
        self.offers: dict[str, tuple[int, dict[str, Any]]] = {}
        self.loads: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        self.highest = 0
        self.lanes: dict[str, tuple[int, int, str, int]] = {}
        self.workers: dict[str, list[Any]] = {}
        self.pauses: tuple[int, list[list[str]]] = (-1, [])
        self.customers: dict[str, tuple[int, list[Any]]] = {}

    def configure(self, order: str, fit: str, weights: Sequence[int]) -> None:
        self.policy = (order, fit, weights)

    def add_shape(self, base: str, document: bytes) -> None:
        self.shapes.setdefault(base, json.loads(document))

    def set_worker(self, worker_id: str, version: int, document: bytes) -> None:
        if version >= self.offers.get(worker_id, (version,))[0]:
            self.offers[worker_id] = (version, json.loads(document))
        self.loads.setdefault(worker_id, 0)

    def set_load(self, worker_id: str, *percents: int) -> None:
        if worker_id in self.loads:
            self.loads[worker_id] = max(percents)

    def remove_worker(self, worker_id: str) -> None:
        for known in (self.offers, self.loads, self.workers):
            known.pop(worker_id, None)

    def apply(self, entries: Sequence[bytes]) -> Applied:
        grown: set[str] = set()
        touched: set[str] = set()
        stale: set[str] = set()
        number = 0
        for number, lanes, workers, *more in map(msgspec.msgpack.decode, entries):
            self.highest = max(self.highest, number)
            for lane, rank, member, count in lanes:
                touched.add(lane)
                known = self.lanes.get(lane, (-1, 0, "", 0))
                if known[3] == 0 and known[0] + 10_000 <= self.highest:
                    known = (-1, 0, "", 0)
                if number > known[0]:
                    self.lanes[lane] = (number, rank, member, count)
                    grown |= {lane} if count > known[3] else set()
            for worker_id, version, *rest in workers:
                self.loads.setdefault(worker_id, 0)
                if number > self.workers.get(worker_id, [0])[0]:
                    self.workers[worker_id] = [number, *rest]
                    if self.offers.get(worker_id, (version - 1,))[0] < version:
                        stale.add(worker_id)
            self.take_limits(number, *more)
        filled = [lane for lane in touched if self.lanes[lane][3]]
        return Applied(
            sorted((lane for lane in grown if self.lanes[lane][3]), key=self.head),
            sorted({base_of(lane) for lane in filled} - set(self.shapes)),
            sorted(stale),
            number,
        )

    def take_limits(self, number: int, pauses: Any = 0, customers: Any = ()) -> None:
        if pauses != 0 and number > self.pauses[0]:
            self.pauses = (number, pauses)
        for customer in customers:
            if number > self.customers.get(customer[0], (-1,))[0]:
                self.customers[customer[0]] = (number, customer)

    def head(self, lane: str) -> tuple[int, bytes, bytes]:
        _, rank, member, _ = self.lanes[lane]
        return rank, member.encode(), lane.encode()

    def propose(self, worker_id: str, limit: int) -> list[Proposal]:
        order = self.policy[0]
        found: list[tuple[Any, Proposal]] = []
        for lane, (_, rank, member, _) in self.filled():
            verdict = self.judged(lane, worker_id)
            if verdict is None or verdict.score is None:
                continue
            share = self.customers.get(customer_of(lane), (0, [0] * 5))[1][4]
            middle = {"fifo": 0, "score": -verdict.score, "fair": share}[order]
            level = 0 if order == "fifo" else rank // 2**46
            place = (level, middle, self.head(lane))
            found.append((place, Proposal(lane, rank, member, verdict.score)))
        return [proposal for _, proposal in sorted(found)][:limit]

    def offer(self, lane: str, waiting: Sequence[str]) -> list[str]:
        if base_of(lane) not in self.shapes:
            return []
        able: list[tuple[int, int, bytes, str]] = []
        for worker_id in set(waiting):
            verdict = self.judged(lane, worker_id)
            if verdict is not None and verdict.score is not None:
                idle = self.workers[worker_id][2]
                able.append((-verdict.score, idle, worker_id.encode(), worker_id))
        return [worker_id for *_, worker_id in sorted(able)]

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        shape = json.loads(document)
        return [self.verdict(shape, customer, avoided, worker_id) for worker_id in self.alive()]

    def explain_worker(self, worker_id: str) -> list[tuple[str, int, list[str]]]:
        judged = (
            (lane, count, self.judged(lane, worker_id)) for lane, (*_, count) in self.filled()
        )
        told = [(lane, count, verdict.rules) for lane, count, verdict in judged if verdict]
        return sorted(told, key=lambda row: row[0].encode())

    def unserved(self) -> list[tuple[str, int]]:
        """Where each worker alive breaks some rule that does not pass."""
        found: list[tuple[str, int]] = []
        for lane, (*_, count) in self.filled():
            shape = self.shapes[base_of(lane)]
            broken = [self.broken(shape, customer_of(lane), worker) for worker in self.alive()]
            if all(set(rules) - PASSES for rules in broken):
                found.append((lane, count))
        return sorted(found, key=lambda row: row[0].encode())

    def filled(self) -> Iterator[tuple[str, tuple[int, int, str, int]]]:
        for lane, told in self.lanes.items():
            if told[3] and base_of(lane) in self.shapes:
                yield lane, told

    def alive(self) -> list[str]:
        return sorted(filter(self.is_alive, self.workers), key=str.encode)

    def is_alive(self, worker_id: str) -> bool:
        is_known = worker_id in self.workers and worker_id in self.offers
        return is_known and self.workers[worker_id][1] != "offline"

    def judged(self, lane: str, worker_id: str) -> Verdict | None:
        if not self.is_alive(worker_id):
            return None
        avoided = lane.split(":")[0].partition("!")[2].split(",")
        return self.verdict(self.shapes[base_of(lane)], customer_of(lane), avoided, worker_id)

    def verdict(
        self, shape: dict[str, Any], customer: str, avoided: Sequence[str], worker_id: str
    ) -> Verdict:
        broken = self.broken(shape, customer, worker_id)
        if worker_id in avoided and any(
            FOR_NOW.issuperset(self.broken(shape, customer, other))
            for other in self.alive()
            if other not in avoided
        ):
            broken.append("avoided_worker")
        if broken:
            return Verdict(worker_id, broken, None, None)
        offer, (*_, held) = self.offers[worker_id][1], self.workers[worker_id]
        used = (len(held), self.loads[worker_id])
        values = rules.dimensions(shape, customer, worker_id, offer, used, self.policy[1])
        weighted = sum(map(int.__mul__, self.policy[2], values[:7])) // 100
        return Verdict(worker_id, [], min(max(weighted + values[7], 0), 10_000), tuple(values))  # type: ignore[arg-type]

    def broken(self, shape: dict[str, Any], customer: str, worker_id: str) -> list[str]:
        offer, (_, state, _, held) = self.offers[worker_id][1], self.workers[worker_id]
        names = {
            "worker": worker_id, "customer": customer, "type": shape.get("type"), "service": shape.get("service"),
        }  # fmt: skip
        is_paused = any(names[scope] == name for scope, name in self.pauses[1])
        _, _, most, active, _ = self.customers.get(customer, (0, [customer, 1, -1, 0, 0]))[1]
        facts = (is_paused, most >= 0 and active >= most)
        return [
            *rules.failed_requirements(shape, offer),
            *rules.unwanted_leaves(shape, offer),
            *rules.failed_standing(shape, customer, offer, held, state, facts),
        ]


def base_of(lane: str) -> str:
    return lane.split(":")[0].split("!")[0]


def customer_of(lane: str) -> str:
    return lane.partition(":")[2]
