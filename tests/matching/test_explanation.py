"""The answer of match and explain: quotes, verdict and summary."""

from __future__ import annotations

from typing import Any

import pytest

from scene import Scene, explained


def test_the_whole_answer(scene: Scene) -> None:
    scene.worker("w1")
    scene.worker("w2", hardware={"gpu_memory_gb": 12}, held=[("", "s", 0)])

    assert explained(scene, {"hardware": {"gpu_memory_gb": 24}}) == {
        "summary": "2 workers: 2 lack 24 GB of GPU memory, 1 has no free slot",
        "verdict": "never",
        "eligible": 0,
        "total": 2,
        "workers": [
            {
                "worker_id": "w1",
                "eligible": False,
                "score": None,
                "dimensions": None,
                "rejections": [{"rule": "hardware.gpu_memory_gb", "required": 24, "offered": None}],
            },
            {
                "worker_id": "w2",
                "eligible": False,
                "score": None,
                "dimensions": None,
                "rejections": [
                    {"rule": "hardware.gpu_memory_gb", "required": 24, "offered": 12},
                    {
                        "rule": "slots",
                        "required": {"held": 1, "total": 1},
                        "offered": {"held": 1, "total": 1},
                    },
                ],
            },
        ],
        "nearest_miss": {
            "change": {"path": "hardware.gpu_memory_gb", "from": 24, "to": 0},
            "worker_id": "w1",
            "opens": ["w1"],
        },
    }
    assert explained(scene, {}) == {
        "summary": "2 workers: 1 can take it now, 1 has no free slot",
        "verdict": "now",
        "eligible": 1,
        "total": 2,
        "workers": [
            {
                "worker_id": "w1",
                "eligible": True,
                "score": 7600,
                "dimensions": {
                    "service": 8000, "hardware": 5000, "load": 10000, "isolation": 10000,
                    "performance": 10000, "location": 5000, "cost": 6000, "preferences": 0,
                },
                "rejections": [],
            },
            explained(scene, {})["workers"][1],
        ],
        "nearest_miss": None,
    }  # fmt: skip


def test_no_worker_at_all(scene: Scene) -> None:
    assert explained(scene, {}) == {
        "summary": "0 workers: none is online",
        "verdict": "never",
        "eligible": 0,
        "total": 0,
        "workers": [],
        "nearest_miss": None,
    }


def test_the_limit_bounds_the_list_only(scene: Scene) -> None:
    for i in range(3):
        scene.worker(f"w{i}", hardware={"ram_gb": i})

    answer = explained(scene, {"hardware": {"ram_gb": 3}}, limit=1)

    assert [it["worker_id"] for it in answer["workers"]] == ["w0"]
    assert answer["total"] == 3
    assert answer["summary"].startswith("3 workers: 3 lack 3 GB of RAM")
    assert answer["nearest_miss"]["worker_id"] == "w2"


@pytest.mark.parametrize(
    ("worker", "verdict"),
    [
        ({}, "now"),
        ({"held": [("a", "s", 0)]}, "busy"),
        ({"state": "draining"}, "busy"),
        ({"services": [{"name": "s", "healthy": False}]}, "busy"),
        ({"held": [("a", "s", 1)], "performance": {"concurrent_jobs": 2}}, "busy"),
        ({"job_types": []}, "never"),
        ({"job_types": [], "state": "draining"}, "never"),
        ({"customer_access": {"denied_customers": [""]}}, "never"),
        ({"services": []}, "never"),
    ],
)
def test_busy_means_that_something_fits_but_for_now(
    scene: Scene, worker: dict[str, Any], verdict: str
) -> None:
    scene.worker("w", **worker)

    assert explained(scene, {"service_type": "s"})["verdict"] == verdict


QUOTES: list[tuple[dict[str, Any], dict[str, Any], str, Any, Any]] = [
    ({"service_type": "x"}, {}, "service_type", "x", ["s"]),
    ({"component": "c"}, {"components": ["b", "a"]}, "component", "c", ["b", "a"]),
    ({"workflow": "c"}, {"workflows": []}, "workflow", "c", []),
    ({"service_type": "s", "models": ["m", "n"]}, {}, "models", ["m", "n"], ["m"]),
    ({"hardware": {"cpu_cores": 1.5}}, {"hardware": {"cpu_cores": 1}}, "hardware.cpu_cores", 1.5, 1),
    ({"hardware": {"gpu_model": "A"}}, {"hardware": {"gpu_model": "B"}}, "hardware.gpu_model", "A", "B"),
    ({"hardware": {"gpu_model": ["A"]}}, {}, "hardware.gpu_model", ["A"], None),
    ({"customer_isolation": "strict"}, {"customer_access": {"isolation": "loose"}}, "customer_isolation", "strict", "loose"),
    ({"geographic_region": "eu"}, {"location": {"region": "us"}}, "geographic_region", "eu", "us"),
    ({"compliance": ["a"]}, {"location": {"compliance": []}}, "compliance", ["a"], []),
    ({"quality_level": "fast", "quality_required": True}, {}, "quality_level", "fast", None),
    ({"cost_tier": "economy"}, {}, "cost_tier", "economy", None),
    ({"timeout_minutes": 9}, {"performance": {"max_processing_time_minutes": 8}}, "timeout_minutes", 9, 8),
    ({"constraints": [{"key": "k", "op": "eq", "value": "a"}]}, {"labels": {"k": "b"}}, "constraints[0]", {"key": "k", "op": "eq", "value": "a"}, "b"),
    ({"not": {"component": "c"}}, {"components": "all"}, "not.component", "c", "all"),
    ({"service_type": "s", "not": {"models": ["n", "m"]}}, {}, "not.models[1]", "m", ["m"]),
    ({"not": {"hardware": {"ram_gb": 1}}}, {"hardware": {"ram_gb": 2}}, "not.hardware.ram_gb", 1, 2),
    ({"not": {"hardware": {"gpu_model": "a"}}}, {"hardware": {"gpu_model": "A"}}, "not.hardware.gpu_model", "a", "A"),
    ({"not": {"hardware": {"gpu_model": ["a"]}}}, {"hardware": {"gpu_model": "A"}}, "not.hardware.gpu_model[0]", "a", "A"),
    ({"not": {"geographic_region": "eu"}}, {"location": {"region": "eu-1"}}, "not.geographic_region", "eu", "eu-1"),
    ({"not": {"cost_tier": "standard"}}, {}, "not.cost_tier", "standard", None),
    ({"not": {"constraints": [{"key": "k", "op": "not_exists"}]}}, {}, "not.constraints[0]", {"key": "k", "op": "not_exists"}, None),
    ({}, {"job_types": []}, "job_types", "t", []),
    ({}, {"customer_access": {"denied_customers": [""]}}, "customer_access", None, None),
    ({"service_type": "s"}, {"services": [{"name": "s", "healthy": False}]}, "service_health", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("requirements", "capabilities", "rule", "required", "offered"), QUOTES)
def test_a_rejection_quotes_what_was_sent(
    scene: Scene,
    requirements: dict[str, Any],
    capabilities: dict[str, Any],
    rule: str,
    required: Any,
    offered: Any,
) -> None:
    scene.worker("w", **capabilities)

    (worker,) = explained(scene, requirements)["workers"]

    assert worker["rejections"] == [{"rule": rule, "required": required, "offered": offered}]


def test_what_was_counted_is_quoted(scene: Scene) -> None:
    scene.worker(
        "w",
        services=[{"name": "s", "capacity": 1}],
        customer_access={"max_concurrent_customers": 2},
        performance={"concurrent_jobs": 5},
        held=[("a", "s", 0), ("b", "", 0), ("b", "", 0)],
    )

    (worker,) = explained(scene, {"service_type": "s"}, "c")["workers"]

    assert [(it["rule"], it["required"], it["offered"]) for it in worker["rejections"]] == [
        ("slots", {"held": 1, "total": 1}, {"held": 1, "total": 1}),
        ("max_concurrent_customers", {"held": 2, "total": 2}, {"held": 2, "total": 2}),
    ]


def test_what_counts_for_a_quota_is_quoted_and_a_pause_quotes_nothing(scene: Scene) -> None:
    scene.worker("w")
    scene.customer("c", max_active=2, active=3)
    scene.pause(("worker", "w"))

    answer = explained(scene, {}, "c")

    counts = {"active": 3, "max_active": 2}
    assert answer["workers"][0]["rejections"] == [
        {"rule": "paused", "required": None, "offered": None},
        {"rule": "customer_quota", "required": counts, "offered": counts},
    ]
    assert (answer["verdict"], answer["nearest_miss"]) == ("busy", None)
    assert answer["summary"] == ("1 worker: 1 is paused for it, 1 waits for the customer's quota")


def test_a_timeout_stated_in_seconds_is_quoted_in_minutes_and_is_no_miss(scene: Scene) -> None:
    scene.worker("w", performance={"max_processing_time_minutes": 1})

    answer = explained(scene, {}, timeout_seconds=90)

    assert answer["workers"][0]["rejections"] == [
        {"rule": "timeout_minutes", "required": 1.5, "offered": 1}
    ]
    assert answer["nearest_miss"] is None
    assert answer["summary"] == "1 worker: 1 stops jobs before 1.5 minutes"


def test_the_summary_counts_each_reason(scene: Scene) -> None:
    for i in range(7):
        scene.worker(f"a{i}", services=[{"name": "s", "models": ["X"]}])
    for i in range(5):
        scene.worker(f"b{i}", hardware={"gpu_memory_gb": 24})
    required = {"service_type": "s", "models": ["X"], "hardware": {"gpu_memory_gb": 24}}

    assert explained(scene, required)["summary"] == (
        "12 workers: 7 lack 24 GB of GPU memory, 5 lack model X"
    )


def test_the_summary_speaks_of_every_rule(scene: Scene) -> None:
    seen: list[str] = []
    for requirements, capabilities, *_ in QUOTES:
        scene.worker("w", **capabilities)
        seen.append(explained(scene, requirements)["summary"].removeprefix("1 worker: 1 "))

    assert seen == [
        "lacks service x", "does not take component c", "does not take workflow c", "lacks model n",
        "lacks 1.5 CPU cores", "lacks GPU model A", "lacks GPU model A", "lacks isolation strict",
        "is outside region eu", "lacks compliance a", "lacks quality level fast",
        "costs more than economy", "stops jobs before 9 minutes", "fails the constraint k eq a",
        "is excluded by not.component", "is excluded by not.models[1]",
        "is excluded by not.hardware.ram_gb", "is excluded by not.hardware.gpu_model",
        "is excluded by not.hardware.gpu_model[0]", "is excluded by not.geographic_region",
        "is excluded by not.cost_tier", "is excluded by not.constraints[0]",
        "does not take its type", "does not admit the customer", "has no healthy service for it",
    ]  # fmt: skip


def test_a_long_summary_is_cut(scene: Scene) -> None:
    scene.worker("w")
    required = {"service_type": "s", "models": ["x" * 500, *(f"n{i}" for i in range(20))]}

    text = explained(scene, required)["summary"]

    assert text.endswith("and 15 more reasons")
    assert len(text) < 500
