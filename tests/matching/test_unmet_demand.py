"""Shapes that nobody alive can serve: which, how many jobs, why, and what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.explanation import PASSING
from empq.matching.implementation import make_matcher
from empq.matching.interface import Verdict
from empq.matching.unmet_demand import queued_shapes, unmet_demand
from empq.model.shape import split_lane_id
from scene import Scene


class Fleet:
    """A scene whose queue is known, and how often its matcher was asked to explain."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.queue: Counter[str] = Counter()
        self.asked = 0

    def lane(
        self, requirements: dict[str, Any], customer: str = "", count: int = 1, **more: Any
    ) -> str:
        lane = self.scene.lane(requirements, customer, count=count, **more)
        self.queue[lane] += count
        return lane

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        self.asked += 1
        return self.scene.matcher.explain(document, customer, avoided)

    def unmet(self, **more: Any) -> dict[str, Any]:
        shapes = queued_shapes(self.queue.items(), self.scene.documents)
        return unmet_demand(shapes, self.explain, self.scene.facts, **more)


def test_the_whole_answer(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", hardware={"gpu_memory_gb": 12})
    scene.worker("v", job_types=["u"])
    fleet.lane({}, "a", 50)
    needy = {"hardware": {"gpu_memory_gb": 24}}
    lane = fleet.lane(needy, "b", 2)
    fleet.lane(needy, "a", 3)
    fleet.lane(needy, "", 3, avoided=["w"])

    assert fleet.unmet() == {
        "total": 1,
        "jobs": 8,
        "shapes": [
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
        ],
    }


def test_what_only_waits_is_not_unmet(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", held=[("a", "s", 1)], services=[{"name": "s", "healthy": False}])
    scene.pause(("worker", "w"), ("type", "t"))
    scene.customer("c", max_active=0)
    fleet.lane({"service_type": "s"}, "c", avoided=["w"])

    assert fleet.unmet() == {"total": 0, "jobs": 0, "shapes": []}


def test_without_workers_all_demand_is_unmet(scene: Scene) -> None:
    fleet = Fleet(scene)
    fleet.lane({}, "c", 4)

    answer = fleet.unmet()

    assert (answer["total"], answer["jobs"]) == (1, 4)
    assert answer["shapes"][0]["reason"] == "0 workers: none is online"


def test_only_the_customers_whom_nobody_serves_are_counted(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", customer_access={"allowed_customers": ["a", "b"]})
    scene.worker("v", customer_access={"denied_customers": ["x", "b", ""]}, components=[])
    for customer, count in (("a", 9), ("b", 1), ("x", 2), ("", 3), ("y", 4)):
        fleet.lane({"component": "c"}, customer, count)

    (told,) = fleet.unmet()["shapes"]

    assert told["customers"] == [
        {"customer_id": "y", "count": 4},
        {"customer_id": None, "count": 3},
        {"customer_id": "x", "count": 2},
    ]
    assert (told["count"], told["nearest_miss"]["opens"]) == (9, ["v"])
    assert told["reason"] == (
        "2 workers: 1 does not admit the customer, 1 does not take component c"
    )


def test_one_question_a_shape_however_many_customers(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w", customer_access={"denied_customers": ["c3"]})
    for i in range(20):
        fleet.lane({"component": "c"}, f"c{i}", 100 - i)
        fleet.lane({"workflow": "x"}, f"d{i}")

    answer = fleet.unmet()

    assert [it["customers"] for it in answer["shapes"]] == [[{"customer_id": "c3", "count": 97}]]
    # Two shapes, and once more for the customer who waits.
    assert fleet.asked == 3


def test_the_limit_bounds_the_list_and_the_work_on_it(scene: Scene) -> None:
    fleet = Fleet(scene)
    scene.worker("w")
    for gigabytes in range(1, 6):
        fleet.lane({"hardware": {"ram_gb": gigabytes}}, "c", gigabytes)

    answer = fleet.unmet(limit=2)

    assert [it["count"] for it in answer["shapes"]] == [5, 4]
    assert (answer["total"], answer["jobs"]) == (5, 15)
    # Each shape, and a nearest miss for each that is listed.
    assert fleet.asked == 5 + 2


def test_lanes_are_grouped_by_shape_and_empty_or_unknown_ones_left_out() -> None:
    lanes = [("b:x", 2), ("b!w:x", 1), ("b:", 1), ("e:x", 0), ("unknown:x", 5)]

    assert queued_shapes(lanes, {"b": b"{}", "e": b"{}"}) == [("b", b"{}", {"x": 3, "": 1})]


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

    answer = fleet.unmet()

    assert never == {
        (told["shape"], it["customer_id"]): it["count"]
        for told in answer["shapes"]
        for it in told["customers"]
    }
    assert answer["jobs"] == never.total()
    for told in answer["shapes"]:
        if told["nearest_miss"] is not None:
            assert told["nearest_miss"]["worker_id"] in told["nearest_miss"]["opens"]
