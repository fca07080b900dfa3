"""Shapes that nobody alive can serve: which, how many jobs, why, and what would help."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.explanation import PASSING
from empq.matching.implementation import make_matcher
from empq.matching.unmet_demand import UnmetShape, told, unmet_shapes
from empq.model.shape import split_lane_id
from scene import Scene


class Fleet:
    """A scene with jobs queued, and what is told of those that nobody serves."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.queue: Counter[str] = Counter()

    def lane(
        self, requirements: dict[str, Any], customer: str = "", count: int = 1, **more: Any
    ) -> str:
        lane = self.scene.lane(requirements, customer, count=count, **more)
        self.queue[lane] += count
        return self.scene.lane(requirements, customer, count=self.queue[lane], **more)

    def unmet(self) -> list[dict[str, Any]]:
        explain, documents = self.scene.matcher.explain, self.scene.documents
        return [
            told(shape, documents[shape.base], explain, self.scene.facts)
            for shape in unmet_shapes(self.scene.matcher.unserved())
        ]


def test_the_whole_answer(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", hardware={"gpu_memory_gb": 12})
    scene.worker("v", job_types=["u"])
    fleet.lane({}, "a", 50)
    needy = {"hardware": {"gpu_memory_gb": 24}}
    lane = fleet.lane(needy, "b", 2)
    fleet.lane(needy, "a", 3)
    fleet.lane(needy, "", 3, avoided=["w"])

    assert fleet.unmet() == [
        {
            "shape": split_lane_id(lane)[0],
            "type": "t",
            "requirements": {"hardware": {"gpu_memory_gb": 24}},
            "customers": [
                {"customer_id": None, "count": 3},
                {"customer_id": "a", "count": 3},
                {"customer_id": "b", "count": 2},
            ],
            "count": 8,
            "reason": "2 workers: 2 lack 24 GB of GPU memory, 1 does not take its type",
            "nearest_miss": {
                "change": {"path": "hardware.gpu_memory_gb", "from": 24, "to": 12},
                "worker_id": "w",
                "opens": ["w"],
            },
        }
    ]


def test_what_only_waits_is_not_unmet(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", held=[("a", "s", 1)], services=[{"name": "s", "healthy": False}])
    scene.pause(("worker", "w"), ("type", "t"))
    scene.customer("c", max_active=0)
    fleet.lane({"service_type": "s"}, "c", avoided=["w"])

    assert fleet.unmet() == []


def test_without_workers_all_demand_is_unmet(scene: Scene) -> None:
    fleet = Fleet(scene)
    fleet.lane({}, "c", 4)

    (told_of,) = fleet.unmet()

    assert (told_of["count"], told_of["reason"]) == (4, "0 workers: none is online")


def test_only_the_customers_whom_nobody_serves_are_counted(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", customer_access={"allowed_customers": ["a", "b"]})
    scene.worker("v", customer_access={"denied_customers": ["x", "b", ""]}, components=[])
    for customer, count in (("a", 9), ("b", 1), ("x", 2), ("", 3), ("y", 4)):
        fleet.lane({"component": "c"}, customer, count)

    (told_of,) = fleet.unmet()

    assert told_of["customers"] == [
        {"customer_id": "y", "count": 4},
        {"customer_id": None, "count": 3},
        {"customer_id": "x", "count": 2},
    ]
    assert (told_of["count"], told_of["nearest_miss"]["opens"]) == (9, ["v"])
    assert told_of["reason"] == (
        "2 workers: 1 does not admit the customer, 1 does not take component c"
    )


def test_lanes_are_grouped_by_shape_the_most_jobs_first() -> None:
    lanes = [("b:x", 2), ("b!w:x", 1), ("b:", 1), ("c:x", 9)]

    assert unmet_shapes(lanes) == [
        UnmetShape("c", ["c:x"], {"x": 9}),
        UnmetShape("b", ["b:x", "b!w:x", "b:"], {"x": 3, "": 1}),
    ]


def test_a_worker_that_comes_goes_or_changes_is_seen_at_once(scene: Scene) -> None:
    lane = scene.lane({"hardware": {"ram_gb": 8}}, "c", count=3)
    unserved = scene.matcher.unserved
    assert unserved() == [(lane, 3)]
    scene.worker("w", hardware={"ram_gb": 8})
    assert unserved() == []
    scene.worker("w", hardware={"ram_gb": 4})
    assert unserved() == [(lane, 3)]
    scene.worker("w", hardware={"ram_gb": 16})
    assert unserved() == []
    scene.worker("w", hardware={"ram_gb": 16}, state="offline")
    assert unserved() == [(lane, 3)]


demands = st.tuples(some.requirements, st.sampled_from(some.CUSTOMERS), st.integers(1, 3))
fleets = st.lists(st.tuples(some.capabilities, some.held, some.states), min_size=0, max_size=3)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(queue=st.lists(demands, min_size=1, max_size=5), workers=fleets, pauses=some.pauses)
def test_it_is_what_explaining_every_lane_would_say(
    implementation: str,
    queue: list[tuple[dict[str, Any], str, int]],
    workers: list[tuple[dict[str, Any], Any, str]],
    pauses: list[Any],
) -> None:
    scene = Scene(make_matcher("rust" if implementation == "rust" else "python"))
    fleet = Fleet(scene)
    for worker_id, (capabilities, held, state) in zip(some.WORKERS, workers, strict=False):
        scene.worker(worker_id, capabilities, held=held, state=state)
    scene.pause(*pauses)
    never: Counter[tuple[str, str | None]] = Counter()
    for sent, customer, count in queue:
        lane = fleet.lane(sent, customer, count)
        verdicts = scene.verdicts(sent, customer)
        if not any(PASSING.issuperset(verdict.rules) for verdict in verdicts):
            never[split_lane_id(lane)[0], customer or None] += count

    unmet = fleet.unmet()

    assert never == {
        (shape["shape"], it["customer_id"]): it["count"]
        for shape in unmet
        for it in shape["customers"]
    }
    for shape in unmet:
        if shape["nearest_miss"] is not None:
            assert shape["nearest_miss"]["worker_id"] in shape["nearest_miss"]["opens"]
