"""A long random life of a small fleet, told to several matchers at once, whose answers must be equal.

Entries come as the store writes them: queued, taken, ended, cancelled and reprioritised jobs, with
the customers' figures; now and then one comes again, late, or after a gap.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements
from empq.model.shape import lane_id, split_lane_id
from scene import entry

WORKERS = ("w1", "w2", "w3", "W,4", "w5")
CUSTOMERS = ("", "a", "b:!", "c")
WEIGHTS = ((35, 25, 15, 10, 5, 5, 5), (0, 100, 0, 0, 0, 0, 0), (10, 10, 20, 10, 10, 20, 20))
#: How often each operation comes.
MIX = {
    "queue": 16, "claim": 16, "end": 10, "cancel": 3, "reprioritise": 3, "offer": 12, "load": 5,
    "patch": 4, "register": 2, "drain": 3, "pause": 3, "customer": 3, "configure": 2,
    "add_shape": 2, "explain": 4, "explain_worker": 3, "unserved": 3, "repeat": 3, "late": 2, "gap": 0.3,
    "remove": 0.7, "rebuild": 0.3, "structure": 4,
}  # fmt: skip


class Walk:
    """`matchers`: the reference first. `done` counts what was told, each question and each entry once."""

    def __init__(self, seed: int, matchers: list[Any]) -> None:
        self.dice = random.Random(seed)
        self.matchers = matchers
        self.done: Counter[str] = Counter()
        self.number = 0
        self.shapes: dict[str, dict[str, Any]] = {}
        self.lanes: dict[str, list[tuple[int, str]]] = {}
        self.held: dict[str, list[list[Any]]] = {}
        self.states: dict[str, str] = {}
        self.customers = {customer: [customer, 1, -1, 0, 0] for customer in CUSTOMERS}
        self.pauses: list[list[str]] = []
        self.past: list[bytes] = []
        for worker_id in WORKERS:
            self.register(worker_id)
        for _ in range(4):
            self.add_shape()

    def run(self, operations: int) -> None:
        """At least so many operations; the structures are looked at now and then, and at the end."""
        names, weights = list(MIX), list(MIX.values())
        while self.done.total() < operations:
            name = self.dice.choices(names, weights)[0]
            getattr(self, name)()
        self.structure()

    def tell(self, call: str, *arguments: Any) -> Any:
        """Says the same to all."""
        expected, *others = (getattr(it, call)(*arguments) for it in self.matchers)
        for answer in others:
            assert answer == expected, f"{call}{arguments}\n{answer}\nreference {expected}"
        self.done[call] += 1
        return expected

    def enter(
        self, lanes: Any = (), workers: Any = (), pauses: Any = 0, customers: Any = ()
    ) -> None:
        """The next entry; lanes, workers and customers by name, as they are now."""
        self.number += 1
        raw = entry(
            self.number,
            [self.lane(it) for it in lanes],
            [self.worker(it) for it in workers],
            *([pauses, [self.customers[it] for it in customers]] if pauses or customers else []),
        )
        self.past = [*self.past[-20:], raw]
        self.tell("apply", [raw])

    def lane(self, lane: str) -> list[Any]:
        jobs = sorted(self.lanes[lane])
        return [lane, *jobs[0], len(jobs)] if jobs else [lane, 0, "", 0]

    def worker(self, worker_id: str) -> list[Any]:
        return [worker_id, 1, self.states[worker_id], self.dice.randrange(3), self.held[worker_id]]

    # What users and workers do.

    def queue(self) -> None:
        avoided = self.dice.sample(WORKERS, 1) if self.dice.random() < 0.1 else ()
        base, customer = self.dice.choice(list(self.shapes)[-20:]), self.dice.choice(CUSTOMERS)
        lane = lane_id(base, customer, avoided)
        if len(self.lanes) > 14 and lane not in self.lanes:
            lane = self.dice.choice(list(self.lanes))
        self.lanes.setdefault(lane, []).append(self.place())
        self.enter([lane])

    def place(self) -> tuple[int, str]:
        rank = (self.dice.randrange(2) << 46) + self.dice.randrange(20)
        return rank, f"{self.number:06}{self.dice.choice('aBé')}"

    def claim(self) -> None:
        worker_id = self.dice.choice(WORKERS)
        for proposal in self.tell("propose", worker_id, self.dice.choice((1, 1, 2, 5, 100)))[:2]:
            if len(self.held[worker_id]) > 3:
                break
            self.lanes[proposal.lane].remove((proposal.rank, proposal.member))
            base, _, customer = split_lane_id(proposal.lane)
            shape = self.shapes[base]
            strict = int(shape.get("customer_isolation") == "strict")
            self.held[worker_id].append([customer, shape.get("service_type", ""), strict])
            self.customers[customer][3] += 1
            self.customers[customer][4] += self.dice.randrange(5)
            self.enter([proposal.lane], [worker_id], 0, [customer])

    def end(self) -> None:
        busy = [it for it in WORKERS if self.held[it]]
        if busy:
            worker_id = self.dice.choice(busy)
            jobs = self.held[worker_id]
            customer = jobs.pop(self.dice.randrange(len(jobs)))[0]
            self.customers[customer][3] -= 1
            self.enter([], [worker_id], 0, [customer])

    def cancel(self) -> None:
        if lane := self.filled():
            jobs = self.lanes[lane]
            jobs.pop(self.dice.randrange(len(jobs)))
            self.enter([lane])

    def reprioritise(self) -> None:
        if lane := self.filled():
            jobs = self.lanes[lane]
            jobs[self.dice.randrange(len(jobs))] = self.place()
            self.enter([lane])

    def filled(self) -> str | None:
        return self.dice.choice([it for it, jobs in self.lanes.items() if jobs] or [None])

    def offer(self) -> None:
        if self.lanes:
            self.tell("offer", self.dice.choice(list(self.lanes)), self.dice.sample(WORKERS, 3))

    def load(self) -> None:
        self.tell("set_load", self.dice.choice(WORKERS), *self.dice.choices(range(101), k=3))

    def patch(self) -> None:
        self.offers(self.dice.choice(WORKERS))

    def offers(self, worker_id: str) -> None:
        document = decode_capabilities(self.capabilities()).document()
        self.tell("set_worker", worker_id, self.dice.randrange(3), document)

    def register(self, worker_id: str | None = None) -> None:
        worker_id = worker_id or self.dice.choice(WORKERS)
        for customer, *_ in self.held.get(worker_id, ()):
            self.customers[customer][3] -= 1
        self.held[worker_id], self.states[worker_id] = [], "online"
        self.offers(worker_id)
        self.enter([], [worker_id], 0, CUSTOMERS)

    def drain(self) -> None:
        worker_id = self.dice.choice(WORKERS)
        self.states[worker_id] = self.dice.choice(("online", "online", "draining", "offline"))
        self.enter([], [worker_id])

    def pause(self) -> None:
        scopes = [
            ["worker", self.dice.choice(WORKERS)], ["service", self.dice.choice(("s", "t"))],
            ["type", self.dice.choice("tu")], ["customer", self.dice.choice(CUSTOMERS)],
        ]  # fmt: skip
        self.pauses = self.dice.sample(scopes, self.dice.choice((0, 0, 0, 1, 2)))
        self.number += 1
        self.tell("apply", [entry(self.number, [], [], self.pauses, [])])

    def customer(self) -> None:
        customer = self.dice.choice(CUSTOMERS)
        self.customers[customer][1:3] = [
            self.dice.randint(1, 9),
            self.dice.choice((-1, -1, -1, 0, 2, 4)),
        ]
        self.enter([], [], 0, [customer])

    def configure(self) -> None:
        order, fit = self.dice.choice(("fifo", "score", "fair")), ("best_fit", "headroom")
        self.tell("configure", order, self.dice.choice(fit), self.dice.choice(WEIGHTS))

    def add_shape(self) -> None:
        sent = self.requirements()
        shape = decode_requirements(sent).canonical(self.dice.choice((None, "t", "u")))
        self.tell("add_shape", *shape)
        self.shapes[shape.base] = sent

    def explain(self) -> None:
        avoided = self.dice.sample(WORKERS, self.dice.choice((0, 0, 1, 2)))
        document = decode_requirements(self.requirements()).document("t")
        self.tell("explain", document, self.dice.choice(CUSTOMERS), avoided)

    def unserved(self) -> None:
        self.tell("unserved")

    def explain_worker(self) -> None:
        self.tell("explain_worker", self.dice.choice(WORKERS))

    # What may go wrong on the way.

    def repeat(self) -> None:
        self.tell("apply", self.dice.choices(self.past, k=2))

    def late(self) -> None:
        old = [self.lane(it) for it in list(self.lanes)[:1]]
        number = max(self.number - self.dice.randrange(4), 0)
        worker = self.worker(self.dice.choice(WORKERS))
        customer = ["a", 1, self.dice.choice((-1, 0)), 0, self.dice.randrange(9)]
        pauses = self.dice.choice((0, [], [["customer", "c"]]))
        self.tell("apply", [entry(number, old, [worker], pauses, [customer])])

    def gap(self) -> None:
        self.number += self.dice.choice((9_998, 9_999, 10_000))
        # What came before must not come again: it would fill lanes that are forgotten now.
        self.past = [entry(self.number)]
        self.tell("apply", self.past)
        self.lanes = {lane: jobs for lane, jobs in self.lanes.items() if jobs}

    def remove(self) -> None:
        worker_id = self.dice.choice(WORKERS)
        self.tell("remove_worker", worker_id)
        self.register(worker_id)

    def rebuild(self) -> None:
        self.tell("reset")
        self.enter(self.lanes, WORKERS, self.pauses or 0, self.customers)

    def structure(self) -> None:
        figures = [it.figures() for it in self.matchers if hasattr(it, "figures")]
        for it in figures:
            assert (it.jobs, it.lanes, it.workers) == (
                figures[0].jobs,
                figures[0].lanes,
                figures[0].workers,
            )
        assert [it.check() for it in self.matchers if hasattr(it, "check")] == [[]] * len(figures)
        self.done["figures and check"] += 1

    # The vocabulary: small, so that pairs nearly match.

    def requirements(self) -> dict[str, Any]:
        dice, sent = self.dice, dict[str, Any]()
        if dice.random() < 0.6:
            sent["service_type"] = dice.choice("sst")
            if dice.random() < 0.4:
                sent["models"] = dice.sample("mno", dice.choice((1, 1, 2)))
        choices: dict[str, Any] = {
            "component": dice.choice("cd"),
            "hardware": {
                dice.choice(("ram_gb", "gpu_memory_gb")): dice.choice((1, 7, 8)),
                "cpu_cores": dice.choice((1, 3)),
            },
            "customer_isolation": dice.choice(("loose", "strict", "none")),
            "geographic_region": dice.choice(("eu", "eu-west", "us")),
            "quality_level": dice.choice(("fast", "quality")),
            "cost_tier": dice.choice(("standard", "premium")),
            "constraints": [{"key": "k", "op": dice.choice(("exists", "not_exists"))}],
            "not": {"component": dice.choice("de")},
            "prefer": [
                {"key": dice.choice(("k", "j")), "op": "exists", "weight": dice.choice((1, 30, -7))},
                {"key": "worker_id", "op": "in", "value": ["w1", "w3"], "weight": dice.choice((3, -100))},
            ],
        }  # fmt: skip
        for key in dice.sample(list(choices), dice.choice((0, 0, 1, 1, 2))):
            sent[key] = choices[key]
        return sent

    def capabilities(self) -> dict[str, Any]:
        dice = self.dice
        services = [
            {
                "name": name,
                "models": dice.choice(("all", ["m"], ["m", "n"])),
                "loaded": dice.sample("mn", dice.randrange(3)),
                "healthy": dice.random() < 0.9,
                **({"capacity": dice.randint(1, 2)} if dice.random() < 0.3 else {}),
            }
            for name in dice.choice(("s", "st", "st", "ts"))
        ]
        access: dict[str, Any] = {"isolation": dice.choice(("none", "strict", "strict"))}
        for key, chance, value in (
            ("allowed_customers", 0.2, dice.sample(CUSTOMERS, 2)),
            ("denied_customers", 0.2, dice.sample(CUSTOMERS, 1)),
            ("max_concurrent_customers", 0.3, dice.randint(1, 2)),
        ):
            if dice.random() < chance:
                access[key] = value
        return {
            "services": services,
            "hardware": {"ram_gb": dice.choice((7, 8, 64)), "gpu_memory_gb": 24, "cpu_cores": 3},
            "customer_access": access,
            "performance": {"concurrent_jobs": dice.randint(1, 4), "quality_levels": ["fast"]},
            "location": {"region": dice.choice(("eu", "eu-west", "us-1"))},
            "labels": dict.fromkeys(dice.sample("kj", dice.randrange(3)), 1),
            "affinity": {
                "preferred_customers": dice.sample(CUSTOMERS, dice.randrange(3)),
                "avoided_customers": dice.sample(CUSTOMERS, dice.randrange(2)),
                "avoided_types": dice.sample("tu", dice.randrange(2)),
            },
            **({"components": dice.choice((["c"], "all", ["c", "d"]))} if dice.random() < 0.5 else {}),
            **({"job_types": ["t"]} if dice.random() < 0.1 else {}),
            **({"cost": {"tier": dice.choice(("economy", "premium"))}} if dice.random() < 0.4 else {}),
        }  # fmt: skip
