"""Hundreds of shapes and thousands of lanes: both matchers find the same best heads among them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher
from empq.matching.reference import ReferenceMatcher
from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements
from empq.model.shape import lane_id
from scene import entry

SHAPES = 300
WORKERS = 8
CUSTOMERS = ("", "a", "b", "c")


def told_to_both(reference: Matcher, rust: Matcher, call: str, *arguments: Any) -> Any:
    expected = getattr(reference, call)(*arguments)
    assert getattr(rust, call)(*arguments) == expected, f"{call}{arguments}"
    return expected


def a_shape(dice: random.Random, place: int) -> tuple[str, bytes]:
    sent: dict[str, Any] = {
        "service_type": dice.choice(("s", "s", "t")),
        "hardware": {"ram_gb": dice.choice((1, 8, 16, 64)), "cpu_cores": place / 1000},
    }
    if dice.random() < 0.3:
        sent["models"] = [dice.choice("mno")]
    if dice.random() < 0.1:
        sent["customer_isolation"] = "strict"
    if dice.random() < 0.2:
        sent["prefer"] = [{"key": "worker_id", "op": "in", "value": ["w1", "w2"], "weight": 9}]
    return decode_requirements(sent).canonical(dice.choice("tu"))


def a_worker(dice: random.Random) -> bytes:
    return decode_capabilities(
        {
            "services": [
                {"name": "s", "models": dice.choice((["m"], ["m", "n"], "all")), "loaded": ["m"]},
                {"name": "t", "models": "all", "capacity": 1},
            ][: dice.randint(1, 2)],
            "hardware": {
                "ram_gb": dice.choice((8, 16, 64)),
                "cpu_cores": dice.choice((0.1, 0.2, 1)),
            },
            "customer_access": {
                "isolation": dice.choice(("none", "strict")),
                "max_concurrent_customers": dice.randint(1, 3),
                **({"allowed_customers": ["a", "b"]} if dice.random() < 0.3 else {}),
            },
            "affinity": {
                "preferred_customers": dice.sample(CUSTOMERS, dice.randrange(2)),
                "avoided_customers": dice.sample(CUSTOMERS, dice.randrange(2)),
            },
            "performance": {"concurrent_jobs": dice.randint(1, 3)},
        }
    ).document()


def some_lanes(dice: random.Random, bases: list[str], ids: list[str]) -> list[list[Any]]:
    lanes: list[list[Any]] = []
    for _ in range(dice.randint(1, 60)):
        avoided = dice.sample(ids, dice.randint(1, 2)) if dice.random() < 0.05 else ()
        lane = lane_id(dice.choice(bases), dice.choice(CUSTOMERS), avoided)
        count = dice.choice((0, 1, 1, 2))
        rank = (dice.randrange(3) << 46) + dice.randrange(1000)
        member = f"{dice.randrange(10**6):06}"
        lanes.append([lane, rank, member, count] if count else [lane, 0, "", 0])
    return lanes


def some_workers(dice: random.Random, ids: list[str]) -> list[list[Any]]:
    return [
        [
            worker_id,
            1,
            dice.choice(("online", "online", "online", "draining", "offline")),
            dice.randrange(5),
            [
                [dice.choice(CUSTOMERS), dice.choice(("", "s", "t")), int(dice.random() < 0.1)]
                for _ in range(dice.randint(0, 2))
            ],
        ]
        for worker_id in ids
        if dice.random() < 0.2
    ]


def some_limits(dice: random.Random) -> list[Any]:
    """Now and then a pause; a few customers' figures."""
    pauses = [["service", "t"]] if dice.random() < 0.2 else []
    return [
        dice.choice((0, 0, pauses)),
        [
            [customer, 1, dice.choice((-1, -1, 2)), dice.randrange(4), dice.randrange(5)]
            for customer in dice.sample(CUSTOMERS, dice.randrange(3))
        ],
    ]


@pytest.mark.parametrize(
    ("seed", "order"),
    [(0, "fifo"), (1, "fifo"), (2, "fair"), (3, "fair"), (4, "score"), (5, "score")],
)
def test_both_find_the_same_best_heads(seed: int, order: str) -> None:
    dice = random.Random(seed)
    reference, rust = ReferenceMatcher(), make_matcher("rust")
    told_to_both(reference, rust, "configure", order, "headroom", (30, 30, 15, 10, 5, 5, 5))
    shapes = [a_shape(dice, place) for place in range(SHAPES)]
    ids = [f"w{i}" for i in range(WORKERS)]
    for worker_id in ids:
        told_to_both(reference, rust, "set_worker", worker_id, 1, a_worker(dice))
    everyone = [[worker_id, 1, "online", 0, []] for worker_id in ids]
    told_to_both(reference, rust, "apply", [entry(1, [], everyone)])

    bases, found = [base for base, _ in shapes[-20:]], 0
    for number in range(2, 60):
        for _ in range(8):
            if shapes:
                shape = shapes.pop()
                told_to_both(reference, rust, "add_shape", *shape)
                bases.append(shape[0])
        changes = entry(
            number, some_lanes(dice, bases, ids), some_workers(dice, ids), *some_limits(dice)
        )
        told_to_both(reference, rust, "apply", [changes])
        if number % 20 == 0:
            told_to_both(reference, rust, "set_worker", dice.choice(ids), number, a_worker(dice))
        for worker_id in ids:
            limit = dice.choice((1, 2, 10, 500))
            found += len(told_to_both(reference, rust, "propose", worker_id, limit))
        assert rust.check() == []

    assert reference.figures().lanes > 500
    assert found > 2_000
    for worker_id in ids:
        told_to_both(reference, rust, "explain_worker", worker_id)
