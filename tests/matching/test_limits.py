"""Pauses and customers' quotas: what they keep, from when to when, and what they never touch."""

from __future__ import annotations

from typing import Any

import pytest

from empq.matching.interface import Matcher
from empq.model.shape import lane_id
from scene import Scene, entry

PAUSES: list[tuple[tuple[str, str], bool]] = [
    (("worker", "w"), True),
    (("worker", "W"), False),
    (("worker", "s"), False),
    (("service", "s"), True),
    (("service", "t"), False),
    (("type", "t"), True),
    (("type", "s"), False),
    (("customer", "c"), True),
    (("customer", ""), False),
    (("customer", "t"), False),
]


@pytest.mark.parametrize(("pause", "is_paused"), PAUSES)
def test_a_pause_keeps_what_it_names(scene: Scene, pause: tuple[str, str], is_paused: bool) -> None:
    scene.worker("w")
    lane = scene.lane({"service_type": "s"}, "c")

    scene.pause(pause)

    assert scene.rules({"service_type": "s"}, "c") == ["paused"] * is_paused
    assert [it.lane for it in scene.matcher.propose("w", 9)] == [lane] * (not is_paused)
    assert scene.matcher.offer(lane, ["w"]) == ["w"] * (not is_paused)
    assert scene.matcher.explain_worker("w") == [(lane, 1, ["paused"] * is_paused)]


def test_what_a_job_does_not_state_is_not_paused(scene: Scene) -> None:
    scene.worker("w")

    scene.pause(("service", "s"), ("service", ""), ("type", "t"), ("type", ""))

    assert scene.rules({}, "", None) == []
    assert scene.rules({}, "", "t") == ["paused"]
    assert scene.rules({}, "", "u") == []


def test_a_paused_service_is_told_even_where_the_worker_lacks_it_and_once(scene: Scene) -> None:
    scene.worker("w", services=[{"name": "x"}])

    scene.pause(("service", "s"), ("worker", "w"), ("customer", ""))

    assert scene.rules({"service_type": "s"}) == ["service_type", "paused"]


def test_the_customer_without_a_name_is_paused_like_any_other(scene: Scene) -> None:
    scene.worker("w")

    scene.pause(("customer", ""))

    assert scene.rules({}, "") == ["paused"]
    assert scene.rules({}, "a") == []


def test_the_list_of_pauses_is_absolute_and_newer_ones_hold(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker("w")

    matcher.apply([entry(20, [], [], [["type", "t"]], [])])
    matcher.apply([entry(19, [], [], [], []), entry(20, [], [], [], [])])
    assert scene.rules() == ["paused"]
    matcher.apply([entry(21, [], [], 0, []), entry(22)])
    assert scene.rules() == ["paused"]
    matcher.apply([entry(23, [], [], [["type", "u"]], [])])
    assert scene.rules() == []
    matcher.apply([entry(24, [], [], [], [])])
    assert scene.rules({}, "", "u") == []


@pytest.mark.parametrize(
    ("max_active", "active", "rules"),
    [
        (-1, 0, []),
        (-1, 10**9, []),
        (0, 0, ["customer_quota"]),
        (2, 1, []),
        (2, 2, ["customer_quota"]),
        (2, 3, ["customer_quota"]),
        (2**40, 2**40 - 1, []),
        (2**63 - 1, 2**63 - 1, ["customer_quota"]),
    ],
)
def test_a_quota_holds_up_to_its_edge(
    scene: Scene, max_active: int, active: int, rules: list[str]
) -> None:
    scene.worker("w")
    lane, other = scene.lane({}, "c"), scene.lane({}, "d")

    scene.customer("c", max_active=max_active, active=active)

    assert scene.rules({}, "c") == rules
    proposed = [it.lane for it in scene.matcher.propose("w", 9)]
    assert proposed == ([other] if rules else [lane, other])
    assert scene.matcher.offer(lane, ["w"]) == ([] if rules else ["w"])


def test_each_customer_takes_its_own_newest_figures(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker("w")
    full, free = ["c", 1, 1, 1, 0], ["c", 1, 1, 0, 0]

    matcher.apply([entry(20, [], [], 0, [full]), entry(30, [], [], 0, [["d", 1, 0, 0, 0]])])
    matcher.apply([entry(20, [], [], 0, [free]), entry(25, [], [], 0, [["d", 1, -1, 0, 0]])])
    assert (scene.rules({}, "c"), scene.rules({}, "d")) == (["customer_quota"],) * 2

    matcher.apply([entry(29, [], [], 0, [free])])
    assert (scene.rules({}, "c"), scene.rules({}, "d")) == ([], ["customer_quota"])


def test_they_stand_in_their_places_among_the_rules(scene: Scene) -> None:
    scene.worker(
        "w",
        services=[{"name": "s", "healthy": False}],
        customer_access={"denied_customers": ["c"], "max_concurrent_customers": 1},
        job_types=[],
        held=[("a", "s", 1)],
        state="draining",
    )
    scene.worker("x", held=[("c", "s", 0)])
    scene.pause(("worker", "w"))
    scene.customer("c", max_active=0)

    (rules, _) = (it.rules for it in scene.verdicts({"service_type": "s"}, "c", avoided=["w"]))

    assert rules == [
        "slots", "draining", "paused", "service_health", "isolation_held", "customer_access",
        "customer_quota", "max_concurrent_customers", "job_types", "avoided_worker",
    ]  # fmt: skip


def test_another_at_its_quota_could_take_the_job_and_a_paused_one_could_not(scene: Scene) -> None:
    scene.worker("w")
    scene.worker("x")
    scene.customer("c", max_active=0)
    both = [it.rules for it in scene.verdicts({}, "c", avoided=["w"])]
    assert both == [["customer_quota", "avoided_worker"], ["customer_quota"]]

    scene.pause(("worker", "x"))
    assert [it.rules for it in scene.verdicts({}, "a", avoided=["w"])] == [[], ["paused"]]


def test_a_reset_forgets_pauses_and_customers_and_keeps_policies(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker("w")
    matcher.configure("fair", "headroom", (0, 100, 0, 0, 0, 0, 0))
    matcher.apply([entry(9, [], [], [["type", "t"]], [["a", 1, 0, 0, 7]])])

    matcher.reset()
    online: list[Any] = ["w", 0, "online", 0, []]
    matcher.apply([entry(1, [], [online], 0, [])])

    assert scene.rules({}, "a") == []
    (verdict,) = scene.verdicts({}, "a")
    assert verdict.score == 5000
    scene.number = 9
    first, second = scene.lane({}, "a", rank=1), scene.lane({}, "b", rank=0)
    assert [it.lane for it in matcher.propose("w", 9)] == [second, first]
    matcher.apply([entry(2, [], [], [["type", "t"]], [["b", 1, 0, 0, 1]])])
    assert matcher.propose("w", 9) == []


def test_a_lane_of_a_customer_at_its_quota_keeps_no_other_customer_away(scene: Scene) -> None:
    scene.worker("w")
    lanes = [scene.lane({}, customer) for customer in "abc"]
    scene.customer("a", max_active=1, active=1)

    assert [it.lane for it in scene.matcher.propose("w", 1)] == [lanes[1]]
    scene.customer("a", max_active=1, active=0)
    assert [it.lane for it in scene.matcher.propose("w", 1)] == [lanes[0]]


def test_lanes_told_before_a_pause_and_after_it_fare_alike(scene: Scene) -> None:
    scene.worker("w")
    before = scene.lane({}, "a")
    scene.pause(("type", "t"))
    after = lane_id(before.partition(":")[0], "b")
    scene.apply([[after, 9, "x", 1]])
    assert scene.matcher.propose("w", 9) == []

    scene.pause()
    assert [it.lane for it in scene.matcher.propose("w", 9)] == [before, after]
