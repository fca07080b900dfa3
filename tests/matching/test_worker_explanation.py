"""The answer of GET /api/workers/{id}/explain: what it may take, and what keeps it from the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.implementation import make_matcher
from empq.matching.worker_explanation import worker_explanation
from empq.model.shape import split_lane_id
from scene import Scene


def told(scene: Scene, worker_id: str = "w", **more: Any) -> dict[str, Any]:
    rows = scene.matcher.explain_worker(worker_id)
    facts = scene.facts[worker_id]
    return worker_explanation(worker_id, rows, scene.documents, facts, scene.quotas, **more)


def test_the_whole_answer(scene: Scene) -> None:
    scene.worker(
        "w",
        hardware={"gpu_memory_gb": 12},
        performance={"concurrent_jobs": 2},
        held=[("a", "s", 0)],
    )
    scene.lane(
        {"hardware": {"gpu_memory_gb": 24}, "models": ["x"], "service_type": "s"}, "a", count=7
    )
    scene.lane({}, "", count=2, timeout_seconds=90)
    scene.lane({}, "full", job_type="u", count=3, avoided=["w", "v"])
    scene.lane({"component": "c"}, "gone", count=0)
    scene.customer("full", max_active=1, active=1)

    assert told(scene) == {
        "worker_id": "w",
        "summary": (
            "12 queued jobs: w can take 2 now, lacks 24 GB of GPU memory for 7, lacks model x for 7, "
            "waits for customers' quotas with 3"
        ),
        "eligible": 1,
        "total": 3,
        "jobs": {"eligible": 2, "total": 12},
        "shapes": [
            {
                "type": "t",
                "requirements": {"timeout_minutes": 1.5},
                "customer_id": None,
                "avoided_workers": [],
                "count": 2,
                "eligible": True,
                "rejections": [],
            },
            {
                "type": "t",
                "requirements": {
                    "service_type": "s",
                    "models": ["x"],
                    "hardware": {"gpu_memory_gb": 24},
                },
                "customer_id": "a",
                "avoided_workers": [],
                "count": 7,
                "eligible": False,
                "rejections": [
                    {"rule": "models", "required": ["x"], "offered": ["m"]},
                    {"rule": "hardware.gpu_memory_gb", "required": 24, "offered": 12},
                ],
            },
            {
                "type": "u",
                "requirements": {},
                "customer_id": "full",
                "avoided_workers": ["v", "w"],
                "count": 3,
                "eligible": False,
                "rejections": [
                    {
                        "rule": "customer_quota",
                        "required": {"active": 1, "max_active": 1},
                        "offered": {"active": 1, "max_active": 1},
                    }
                ],
            },
        ],
    }  # fmt: skip


def test_nothing_queued(scene: Scene) -> None:
    scene.worker("w")

    assert told(scene) == {
        "worker_id": "w",
        "summary": "0 queued jobs",
        "eligible": 0,
        "total": 0,
        "jobs": {"eligible": 0, "total": 0},
        "shapes": [],
    }


def test_the_limit_bounds_the_list_only(scene: Scene) -> None:
    scene.worker("w")
    for count in (1, 3, 2):
        scene.lane({}, f"c{count}", count=count)
    scene.lane({"component": "c"}, "many", count=9)

    answer = told(scene, limit=2)

    assert [it["customer_id"] for it in answer["shapes"]] == ["many", "c3"]
    assert (answer["eligible"], answer["total"]) == (4, 4)
    assert answer["jobs"] == {"eligible": 15, "total": 15}


def test_shapes_without_a_document_are_left_out(scene: Scene) -> None:
    scene.worker("w")
    lane = scene.lane({}, "a")
    scene.lane({"component": "c"}, "b")
    del scene.documents[split_lane_id(lane)[0]]

    assert [it["customer_id"] for it in told(scene)["shapes"]] == ["b"]


SENTENCES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"held": [("", "s", 0)]}, "has no free slot for 1"),
    ({}, {"state": "draining"}, "is draining, so takes none of 1"),
    ({"service_type": "s"}, {"services": [{"name": "s", "healthy": False}]}, "has no healthy service for 1"),
    ({}, {"held": [("a", "s", 1)], "performance": {"concurrent_jobs": 2}}, "is kept apart by isolation from 1"),
    ({}, {"customer_access": {"denied_customers": [""]}}, "does not admit the customers of 1"),
    ({}, {"job_types": []}, "does not take the types of 1"),
    ({"not": {"component": "c"}}, {}, "is excluded by not.component for 1"),
    ({"constraints": [{"key": "k", "op": "ge", "value": 1.5}]}, {}, "fails the constraint k ge 1.5 for 1"),
    (
        {},
        {"held": [("a", "s", 0)], "performance": {"concurrent_jobs": 2}, "customer_access": {"max_concurrent_customers": 1}},
        "serves its most customers already, without those of 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("requirements", "worker", "sentence"), SENTENCES)
def test_the_summary_speaks_of_the_worker(
    scene: Scene, requirements: dict[str, Any], worker: dict[str, Any], sentence: str
) -> None:
    scene.worker("w", **worker)
    scene.lane(requirements)

    assert told(scene)["summary"] == f"1 queued job: w {sentence}"


def test_the_summary_speaks_of_pauses_and_of_failures(scene: Scene) -> None:
    scene.worker("w")
    scene.worker("x")
    scene.lane({}, avoided=["w"])
    scene.lane({}, "p")
    scene.pause(("customer", "p"))

    assert told(scene)["summary"] == ("2 queued jobs: w failed 1 a moment ago, is paused for 1")


jobs = st.tuples(
    some.requirements, st.sampled_from(some.CUSTOMERS), some.avoided, st.integers(1, 9)
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    queue=st.lists(jobs, min_size=1, max_size=4),
    capabilities=some.capabilities,
    held=some.held,
    pauses=some.pauses,
)
def test_it_agrees_with_the_matcher_on_every_lane(
    implementation: str,
    queue: list[tuple[dict[str, Any], str, list[str], int]],
    capabilities: dict[str, Any],
    held: Any,
    pauses: list[Any],
) -> None:
    scene = Scene(make_matcher("rust" if implementation == "rust" else "python"))
    scene.worker("w1", capabilities, held=held)
    scene.pause(*pauses)
    for sent, customer, avoided, count in queue:
        scene.lane(sent, customer, avoided=avoided, count=count)
    rows = scene.matcher.explain_worker("w1")

    answer = told(scene, "w1")

    assert answer["jobs"] == {
        "eligible": sum(count for _, count, rules in rows if not rules),
        "total": sum(count for _, count, _ in rows),
    }
    assert answer["eligible"] == len(scene.matcher.propose("w1", 99))
    assert sorted(len(it["rejections"]) for it in answer["shapes"]) == sorted(
        len(rules) for *_, rules in rows
    )
    for it in answer["shapes"]:
        (verdict,) = scene.verdicts(
            it["requirements"], it["customer_id"] or "", it["type"], avoided=it["avoided_workers"]
        )
        assert [one["rule"] for one in it["rejections"]] == verdict.rules
