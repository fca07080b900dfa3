"""Orders, fits and weights: what each puts first, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from empq.matching.interface import Matcher
from scene import Scene

WEIGHTS = (35, 25, 15, 10, 5, 5, 5)
LEVEL = 1 << 46
WISH = {"prefer": [{"key": "k", "op": "exists", "weight": 1}]}
SHUN = {"prefer": [{"key": "k", "op": "exists", "weight": -1}]}


def order_of(scene: Scene) -> list[str]:
    """The customers of the lanes proposed to w."""
    return [it.lane.partition(":")[2] for it in scene.matcher.propose("w", 99)]


def test_score_comes_after_priority_and_before_rank(scene: Scene) -> None:
    scene.worker("w", labels={"k": 1})
    scene.lane(SHUN, "first", rank=0)
    scene.lane({}, "second", rank=1)
    scene.lane({}, "again", rank=2)
    scene.lane(WISH, "third", rank=LEVEL - 1)
    scene.lane(WISH, "late", rank=LEVEL)
    assert order_of(scene) == ["first", "second", "again", "third", "late"]

    scene.matcher.configure("score", "best_fit", WEIGHTS)

    assert order_of(scene) == ["third", "second", "again", "first", "late"]
    assert [it.score for it in scene.matcher.propose("w", 9)] == [9600, 7600, 7600, 5600, 9600]
    assert [it.lane[-5:] for it in scene.matcher.propose("w", 1)] == ["third"]

    scene.matcher.configure("fifo", "best_fit", WEIGHTS)
    assert order_of(scene) == ["first", "second", "again", "third", "late"]


def test_of_equal_scores_the_member_decides_bytewise(scene: Scene) -> None:
    scene.worker("w")
    scene.matcher.configure("score", "best_fit", WEIGHTS)
    for customer, member in (("1", "b"), ("2", "é"), ("3", "B")):
        scene.lane({}, customer, rank=5, member=member)

    assert order_of(scene) == ["3", "1", "2"]


def test_a_customer_that_the_worker_prefers_scores_higher(scene: Scene) -> None:
    scene.worker("w", affinity={"preferred_customers": ["c"], "avoided_customers": ["a"]})
    scene.matcher.configure("score", "best_fit", WEIGHTS)
    for rank, customer in enumerate("abc"):
        scene.lane({}, customer, rank=rank)

    assert order_of(scene) == ["c", "b", "a"]
    assert [it.score for it in scene.matcher.propose("w", 9)] == [8600, 7600, 6600]


def test_load_and_loaded_models_count_in_the_score_of_now(scene: Scene) -> None:
    services = [{"name": "s", "models": "all", "loaded": ["m"]}]
    scene.worker("w", services=services)
    scene.matcher.configure("score", "best_fit", WEIGHTS)
    scene.lane({"service_type": "s", "models": ["n"]}, "n", rank=0)
    scene.lane({"service_type": "s", "models": ["m"]}, "m", rank=1)
    assert order_of(scene) == ["m", "n"]

    services[0]["loaded"] = ["n"]
    scene.worker("w", services=services)
    assert order_of(scene) == ["n", "m"]


def test_fair_puts_the_customer_first_that_had_the_least(scene: Scene) -> None:
    scene.worker("w")
    scene.lane({}, "a", rank=0)
    scene.lane({}, "b", rank=1)
    scene.lane({"service_type": "s"}, "b", rank=3)
    scene.lane({}, "new", rank=2)
    scene.lane({}, "new2", rank=LEVEL)
    scene.customer("a", virtual_time=10)
    scene.customer("b", virtual_time=9)
    assert order_of(scene) == ["a", "b", "new", "b", "new2"]

    scene.matcher.configure("fair", "best_fit", WEIGHTS)

    assert order_of(scene) == ["new", "b", "b", "a", "new2"]
    scene.customer("b", virtual_time=2**53 - 1)
    assert order_of(scene) == ["new", "a", "b", "b", "new2"]
    scene.customer("new", virtual_time=10)
    assert order_of(scene) == ["a", "new", "b", "b", "new2"]


def test_fair_passes_over_those_that_the_worker_may_not_take(scene: Scene) -> None:
    scene.worker("w", customer_access={"denied_customers": ["a"]})
    scene.matcher.configure("fair", "best_fit", WEIGHTS)
    for customer, time in (("a", 0), ("b", 1), ("c", 2)):
        scene.lane({}, customer)
        scene.customer(customer, virtual_time=time)

    assert order_of(scene) == ["b", "c"]
    scene.customer("b", max_active=0)
    assert order_of(scene) == ["c"]


FITS: list[tuple[dict[str, Any], int]] = [({}, 5000), ({"ram_gb": 16}, 7500), ({"ram_gb": 64}, 0)]


@pytest.mark.parametrize(("demand", "expected"), FITS)
def test_headroom_is_what_a_good_fit_lacks(
    scene: Scene, demand: dict[str, Any], expected: int
) -> None:
    scene.worker("w", hardware={"ram_gb": 64})

    scene.matcher.configure("fifo", "headroom", (0, 100, 0, 0, 0, 0, 0))

    (verdict,) = scene.verdicts({"hardware": demand})
    assert verdict.dimensions is not None
    assert (verdict.score, verdict.dimensions[1]) == (expected, expected)


def test_headroom_offers_a_job_to_the_largest_worker(scene: Scene) -> None:
    scene.worker("large", hardware={"ram_gb": 64})
    scene.worker("small", hardware={"ram_gb": 8})
    lane = scene.lane({"hardware": {"ram_gb": 8}})
    assert scene.matcher.offer(lane, ["large", "small"]) == ["small", "large"]

    scene.matcher.configure("fifo", "headroom", WEIGHTS)
    assert scene.matcher.offer(lane, ["large", "small"]) == ["large", "small"]

    scene.matcher.configure("fifo", "best_fit", (100, 0, 0, 0, 0, 0, 0))
    assert scene.matcher.offer(lane, ["large", "small"]) == ["large", "small"]


def test_weights_change_scores_everywhere_and_not_the_dimensions(scene: Scene) -> None:
    scene.worker("w", load=(50, 0, 0))
    lane = scene.lane({})
    (before,) = scene.verdicts()

    scene.matcher.configure("fifo", "best_fit", (1, 1, 94, 1, 1, 1, 1))

    (after,) = scene.verdicts()
    assert after.dimensions == before.dimensions == (8000, 5000, 8500, 10000, 10000, 5000, 6000, 0)
    assert after.score == 8430
    assert scene.matcher.propose("w", 1)[0] == (lane, 1, "0001", 8430)


REFUSED: list[tuple[str, str, list[int]]] = [
    ("lifo", "best_fit", [*WEIGHTS]),
    ("", "best_fit", [*WEIGHTS]),
    ("FIFO", "best_fit", [*WEIGHTS]),
    ("fifo", "worst_fit", [*WEIGHTS]),
    ("fifo", "best_fit", [35, 25, 15, 10, 5, 10]),
    ("fifo", "best_fit", [35, 25, 15, 10, 5, 5, 5, 0]),
    ("fifo", "best_fit", [35, 25, 15, 10, 5, 5, 4]),
    ("fifo", "best_fit", [35, 25, 15, 10, 5, 5, 6]),
    ("fifo", "best_fit", [105, -5, 0, 0, 0, 0, 0]),
    ("fifo", "best_fit", []),
]


@pytest.mark.parametrize("policy", REFUSED)
def test_a_policy_that_is_none_is_refused_and_changes_nothing(
    matcher: Matcher, policy: tuple[str, str, list[int]]
) -> None:
    scene = Scene(matcher)
    scene.worker("w")
    scene.lane({}, "a", rank=1)
    scene.lane({}, "b", rank=0)
    scene.customer("b", virtual_time=1)
    matcher.configure("fair", "best_fit", [0, 0, 0, 100, 0, 0, 0])

    with pytest.raises(ValueError):
        matcher.configure(*policy)

    assert order_of(scene) == ["a", "b"]
    assert scene.verdicts()[0].score == 10000
