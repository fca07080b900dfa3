"""The rules of matching.md and contract.md, each on both sides of its edge."""

from __future__ import annotations

from typing import Any

import pytest

from scene import PLAIN, Scene


def services(*more: dict[str, Any]) -> dict[str, Any]:
    return {"services": [{"name": "s", "models": ["m"]}, *more]}


def labels(**values: Any) -> dict[str, Any]:
    return {"labels": values}


def constraint(op: str, value: Any = None, key: str = "k") -> dict[str, Any]:
    given = {"key": key, "op": op}
    return {"constraints": [given if value is None else {**given, "value": value}]}


ALONE = ["constraints[0]"]

#: What is required, what the worker states beside PLAIN, and every rule that is broken.
RULES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({"service_type": "s"}, {}, []),
    ({"service_type": "S"}, {}, ["service_type"]),
    ({"service_type": "x", "models": ["m"]}, {}, ["service_type", "models"]),
    ({"service_type": "x", "models": []}, {}, ["service_type"]),
    ({"component": "c"}, {}, []),
    ({"component": "c"}, {"components": "all"}, []),
    ({"component": "c"}, {"components": ["b", "c"]}, []),
    ({"component": "c"}, {"components": ["b"]}, ["component"]),
    ({"component": "c"}, {"components": []}, ["component"]),
    ({"workflow": "c"}, {}, []),
    ({"workflow": "c"}, {"workflows": ["c"]}, []),
    ({"workflow": "c"}, {"workflows": []}, ["workflow"]),
    ({"service_type": "s", "models": ["m"]}, {}, []),
    ({"service_type": "s", "models": ["m", "n"]}, {}, ["models"]),
    ({"service_type": "s", "models": ["M"]}, {}, ["models"]),
    ({"service_type": "s", "models": ["n"]}, {"services": [{"name": "s"}]}, ["models"]),
    ({"service_type": "s", "models": ["n"]}, {"services": [{"name": "s", "models": "all"}]}, []),
    ({"service_type": "s", "models": ["n"]}, services({"name": "t", "models": ["n"]}), ["models"]),
    ({"service_type": "s", "models": ["a/b"]}, {"services": [{"name": "s", "models": ["a\\b"]}]}, []),
    ({"hardware": {"gpu_memory_gb": 24}}, {"hardware": {"gpu_memory_gb": 24}}, []),
    ({"hardware": {"gpu_memory_gb": 24}}, {"hardware": {"gpu_memory_gb": 23.99}}, ["hardware.gpu_memory_gb"]),
    ({"hardware": {"gpu_memory_gb": 24}}, {}, ["hardware.gpu_memory_gb"]),
    ({"hardware": {"gpu_memory_gb": 0}}, {}, []),
    ({"hardware": {"gpu_memory_gb": 0.0004}}, {}, []),
    ({"hardware": {"gpu_memory_gb": 0.0005}}, {}, ["hardware.gpu_memory_gb"]),
    ({"hardware": {"gpu_count": 2}}, {"hardware": {"gpu_count": 2}}, []),
    ({"hardware": {"gpu_count": 2}}, {"hardware": {"gpu_count": 1}}, ["hardware.gpu_count"]),
    ({"hardware": {"cpu_cores": 1.5}}, {"hardware": {"cpu_cores": 1.5}}, []),
    ({"hardware": {"cpu_cores": 1.5}}, {"hardware": {"cpu_cores": 1.499}}, ["hardware.cpu_cores"]),
    ({"hardware": {"ram_gb": 64}}, {"hardware": {"ram_gb": 63}}, ["hardware.ram_gb"]),
    ({"hardware": {"storage_gb": 64}}, {"hardware": {"storage_gb": 63}}, ["hardware.storage_gb"]),
    ({"hardware": {"gpu_model": "RTX 4090"}}, {"hardware": {"gpu_model": "rtx 4090"}}, []),
    ({"hardware": {"gpu_model": ["A", "b"]}}, {"hardware": {"gpu_model": "B"}}, []),
    ({"hardware": {"gpu_model": ["A", "b"]}}, {"hardware": {"gpu_model": "C"}}, ["hardware.gpu_model"]),
    ({"hardware": {"gpu_model": "É"}}, {"hardware": {"gpu_model": "é"}}, ["hardware.gpu_model"]),
    ({"hardware": {"gpu_model": "A"}}, {}, ["hardware.gpu_model"]),
    ({"customer_isolation": "none"}, {}, []),
    ({"customer_isolation": "loose"}, {}, ["customer_isolation"]),
    ({"customer_isolation": "loose"}, {"customer_access": {"isolation": "loose"}}, []),
    ({"customer_isolation": "loose"}, {"customer_access": {"isolation": "strict"}}, []),
    ({"customer_isolation": "strict"}, {"customer_access": {"isolation": "loose"}}, ["customer_isolation"]),
    ({"geographic_region": "eu"}, {"location": {"region": "eu"}}, []),
    ({"geographic_region": "eu"}, {"location": {"region": "eu-west-1"}}, []),
    ({"geographic_region": "eu-west"}, {"location": {"region": "eu-west-1"}}, []),
    ({"geographic_region": "eu"}, {"location": {"region": "europe"}}, ["geographic_region"]),
    ({"geographic_region": "eu-west"}, {"location": {"region": "eu"}}, ["geographic_region"]),
    ({"geographic_region": ["us", "eu"]}, {"location": {"region": "eu-1"}}, []),
    ({"geographic_region": "eu"}, {}, ["geographic_region"]),
    ({"compliance": ["a", "b"]}, {"location": {"compliance": ["b", "c", "a"]}}, []),
    ({"compliance": ["a", "b"]}, {"location": {"compliance": ["b"]}}, ["compliance"]),
    ({"compliance": ["a"]}, {}, ["compliance"]),
    ({"quality_level": "fast"}, {}, []),
    ({"quality_level": "fast", "quality_required": False}, {}, []),
    ({"quality_level": "fast", "quality_required": True}, {}, ["quality_level"]),
    ({"quality_level": "fast", "quality_required": True}, {"performance": {"quality_levels": ["fast"]}}, []),
    ({"cost_tier": "standard"}, {}, []),
    ({"cost_tier": "economy"}, {}, ["cost_tier"]),
    ({"cost_tier": "economy"}, {"cost": {"tier": "economy"}}, []),
    ({"cost_tier": "standard"}, {"cost": {"tier": "premium"}}, ["cost_tier"]),
    ({"cost_tier": "premium"}, {"cost": {"tier": "premium"}}, []),
    ({"timeout_minutes": 10}, {}, []),
    ({"timeout_minutes": 10}, {"performance": {"max_processing_time_minutes": 10}}, []),
    ({"timeout_minutes": 10}, {"performance": {"max_processing_time_minutes": 9.999}}, ["timeout_minutes"]),
    ({"timeout_minutes": 10}, {"performance": {"max_processing_time_minutes": 0}}, ["timeout_minutes"]),
    ({}, {"performance": {"max_processing_time_minutes": 0}}, []),
    (constraint("eq", "a"), labels(k="a"), []),
    (constraint("eq", "a"), labels(k="A"), ALONE),
    (constraint("eq", "a"), {}, ALONE),
    (constraint("eq", "a"), labels(k=["a"]), ALONE),
    (constraint("eq", ["a", "b"]), labels(k=["b", "a", "b"]), []),
    (constraint("eq", ["a", "b"]), labels(k=["a"]), ALONE),
    (constraint("eq", []), labels(k=[]), []),
    (constraint("eq", 1), labels(k=1.0), []),
    (constraint("eq", 1), labels(k=True), ALONE),
    (constraint("eq", 0.001), labels(k=True), ALONE),
    (constraint("eq", 1), labels(k="1"), ALONE),
    (constraint("eq", True), labels(k=True), []),
    (constraint("eq", False), labels(k=0), ALONE),
    (constraint("ne", "a"), labels(k="b"), []),
    (constraint("ne", "a"), {}, []),
    (constraint("ne", "a"), labels(k="a"), ALONE),
    (constraint("ne", 1), labels(k=True), []),
    (constraint("in", ["a", "b"]), labels(k="b"), []),
    (constraint("in", ["a", "b"]), labels(k="c"), ALONE),
    (constraint("in", ["a", "b"]), labels(k=["c", "b"]), []),
    (constraint("in", ["a", "b"]), labels(k=["c"]), ALONE),
    (constraint("in", ["a", "b"]), {}, ALONE),
    (constraint("in", [True, 2]), labels(k=2), []),
    (constraint("in", [True, 2]), labels(k=1), ALONE),
    (constraint("not_in", ["a"]), labels(k="b"), []),
    (constraint("not_in", ["a"]), labels(k=["b", "a"]), ALONE),
    (constraint("not_in", ["a"]), labels(k=[]), []),
    (constraint("not_in", ["a"]), {}, []),
    (constraint("gt", 1), labels(k=1.001), []),
    (constraint("gt", 1), labels(k=1), ALONE),
    (constraint("gt", 1), labels(k=1.0004), ALONE),
    (constraint("ge", 1), labels(k=1), []),
    (constraint("ge", 1), labels(k=0.999), ALONE),
    (constraint("ge", -2), labels(k=-1.5), []),
    (constraint("lt", 1), labels(k=0.999), []),
    (constraint("lt", 1), labels(k=1), ALONE),
    (constraint("le", 1), labels(k=1), []),
    (constraint("le", 1), labels(k=1.001), ALONE),
    (constraint("le", 1), labels(k=True), ALONE),
    (constraint("le", 1), labels(k="0"), ALONE),
    (constraint("le", 1), labels(k=["0"]), ALONE),
    (constraint("le", 1), {}, ALONE),
    (constraint("exists"), labels(k=False), []),
    (constraint("exists"), labels(k=[]), []),
    (constraint("exists"), labels(j=1), ALONE),
    (constraint("not_exists"), {}, []),
    (constraint("not_exists"), labels(k=0), ALONE),
    (constraint("contains_all", ["a", "b"]), labels(k=["c", "b", "a"]), []),
    (constraint("contains_all", ["a", "b"]), labels(k=["a"]), ALONE),
    (constraint("contains_all", ["a"]), labels(k="a"), []),
    (constraint("contains_all", ["a", "b"]), labels(k="a"), ALONE),
    (constraint("contains_all", [1]), labels(k=1), []),
    (constraint("contains_all", [1]), labels(k=True), ALONE),
    (constraint("contains_all", ["a"]), {}, ALONE),
    (constraint("exists", key="hardware.ram_gb"), {"hardware": {"ram_gb": 1}}, ALONE),
    ({"constraints": [{"key": "k", "op": "exists"}] * 2}, {}, ["constraints[0]", "constraints[1]"]),
    ({"not": {"service_type": "s"}}, {}, ["not.service_type"]),
    ({"not": {"service_type": "t"}}, {}, []),
    ({"not": {"component": "c"}}, {}, ["not.component"]),
    ({"not": {"component": "c"}}, {"components": "all"}, ["not.component"]),
    ({"not": {"component": "c"}}, {"components": ["d"]}, []),
    ({"not": {"workflow": "c"}}, {"workflows": ["c"]}, ["not.workflow"]),
    ({"not": {"workflow": "c"}}, {"workflows": []}, []),
    ({"service_type": "s", "not": {"models": ["n", "m", "m"]}}, {}, ["not.models[1]"]),
    ({"service_type": "s", "not": {"models": ["n"]}}, services({"name": "t", "models": ["n"]}), []),
    ({"service_type": "x", "not": {"models": ["m"]}}, {}, ["service_type"]),
    ({"not": {"hardware": {"gpu_memory_gb": 24}}}, {"hardware": {"gpu_memory_gb": 24}}, ["not.hardware.gpu_memory_gb"]),
    ({"not": {"hardware": {"gpu_memory_gb": 24}}}, {"hardware": {"gpu_memory_gb": 23}}, []),
    ({"not": {"hardware": {"gpu_memory_gb": 24}}}, {}, []),
    ({"not": {"hardware": {"gpu_model": ["X", "a", "A"]}}}, {"hardware": {"gpu_model": "A"}}, ["not.hardware.gpu_model[1]"]),
    ({"not": {"hardware": {"gpu_model": ["X"]}}}, {}, []),
    ({"not": {"geographic_region": ["us", "eu", "eu-1"]}}, {"location": {"region": "eu-1"}}, ["not.geographic_region[1]", "not.geographic_region[2]"]),
    ({"not": {"geographic_region": ["us"]}}, {}, []),
    ({"not": {"compliance": ["a", "b"]}}, {"location": {"compliance": ["b"]}}, ["not.compliance[1]"]),
    ({"not": {"quality_level": "fast"}}, {"performance": {"quality_levels": ["fast"]}}, ["not.quality_level"]),
    ({"not": {"quality_level": "fast"}}, {}, []),
    ({"not": {"cost_tier": "standard"}}, {}, ["not.cost_tier"]),
    ({"not": {"cost_tier": "premium"}}, {"cost": {"tier": "economy"}}, []),
    ({"not": constraint("ne", "a")}, {}, ["not.constraints[0]"]),
    ({"not": constraint("eq", "a")}, labels(k="b"), []),
    ({"not": {"constraints": [{"key": "k", "op": "exists"}, {"key": "j", "op": "exists"}, {"key": "k", "op": "exists"}]}}, labels(k=1), ["not.constraints[0]"]),
]  # fmt: skip


@pytest.mark.parametrize(("requirements", "capabilities", "rules"), RULES)
def test_a_requirement_holds_up_to_its_edge(
    scene: Scene, requirements: dict[str, Any], capabilities: dict[str, Any], rules: list[str]
) -> None:
    scene.worker("w", {**PLAIN, **capabilities})
    lane = scene.lane(requirements)

    assert scene.rules(requirements) == rules
    assert [it.lane for it in scene.matcher.propose("w", 10)] == ([] if rules else [lane])
    assert scene.matcher.offer(lane, ["w"]) == ([] if rules else ["w"])


def test_every_failing_rule_is_told_in_table_order(scene: Scene) -> None:
    requirements = {
        "prefer": [{"key": "k", "op": "exists", "weight": 1}],
        "not": {
            "constraints": [{"key": "z", "op": "not_exists"}],
            "cost_tier": "premium",
            "quality_level": "fast",
            "compliance": ["x", "y"],
            "geographic_region": ["asia"],
            "hardware": {"gpu_model": ["B"], "storage_gb": 1, "gpu_memory_gb": 1},
            "workflow": "w0",
            "component": "c0",
            "service_type": "s",
        },
        "constraints": [{"key": "a", "op": "exists"}, {"key": "b", "op": "exists"}],
        "timeout_minutes": 60,
        "cost_tier": "economy",
        "quality_required": True,
        "quality_level": "quality",
        "compliance": ["gdpr"],
        "geographic_region": "eu",
        "customer_isolation": "strict",
        "hardware": {
            "gpu_model": "A", "storage_gb": 9, "ram_gb": 9, "cpu_cores": 9, "gpu_count": 9, "gpu_memory_gb": 9,
        },
        "models": ["x"],
        "workflow": "w1",
        "component": "c1",
        "service_type": "s",
    }  # fmt: skip
    scene.worker(
        "w",
        services=[{"name": "s", "models": ["m"], "healthy": False}],
        components=["c0"],
        workflows=["w0"],
        job_types=["u"],
        hardware={
            "gpu_model": "B", "storage_gb": 1, "ram_gb": 1, "cpu_cores": 1, "gpu_count": 1, "gpu_memory_gb": 1,
        },
        customer_access={"allowed_customers": ["a"], "max_concurrent_customers": 1},
        performance={"quality_levels": ["fast"], "max_processing_time_minutes": 1},
        location={"region": "asia", "compliance": ["x", "y"]},
        cost={"tier": "premium"},
        held=[("a", "s", 1)],
        state="draining",
    )  # fmt: skip
    scene.worker("other", held=[("a", "s", 0)])

    verdicts = {it.worker_id: it for it in scene.verdicts(requirements, "b", avoided=["w"])}

    assert verdicts["w"].rules == [
        "component", "workflow", "models", "hardware.gpu_memory_gb", "hardware.gpu_count", "hardware.cpu_cores",
        "hardware.ram_gb", "hardware.storage_gb", "hardware.gpu_model", "customer_isolation", "geographic_region",
        "compliance", "quality_level", "cost_tier", "timeout_minutes", "constraints[0]", "constraints[1]",
        "not.service_type", "not.component", "not.workflow", "not.hardware.gpu_memory_gb", "not.hardware.storage_gb",
        "not.hardware.gpu_model[0]", "not.geographic_region[0]", "not.compliance[0]", "not.compliance[1]",
        "not.quality_level", "not.cost_tier", "not.constraints[0]", "slots", "draining", "service_health",
        "isolation_held", "customer_access", "max_concurrent_customers", "job_types",
    ]  # fmt: skip
    assert (verdicts["w"].score, verdicts["w"].dimensions) == (None, None)


def test_a_slot_is_free_until_all_are_held(scene: Scene) -> None:
    scene.worker("w", performance={"concurrent_jobs": 2}, held=[("", "s", 0)])
    assert scene.rules() == []

    scene.worker("w", performance={"concurrent_jobs": 2}, held=[("", "s", 0), ("", "", 0)])
    assert scene.rules() == ["slots"]


def test_capacity_bounds_the_held_jobs_of_its_service_only(scene: Scene) -> None:
    scene.worker(
        services=[{"name": "s", "capacity": 1}, {"name": "t"}],
        performance={"concurrent_jobs": 3},
        held=[("", "s", 0), ("", "", 0)],
    )

    assert scene.rules({"service_type": "s"}) == ["slots"]
    assert scene.rules({"service_type": "t"}) == []
    assert scene.rules({}) == []


def test_an_unhealthy_service_takes_nothing(scene: Scene) -> None:
    scene.worker(services=[{"name": "s", "healthy": False}, {"name": "t"}])

    assert scene.rules({"service_type": "s"}) == ["service_health"]
    assert scene.rules({"service_type": "t"}) == []
    assert scene.rules({"service_type": "x"}) == ["service_type"]
    assert scene.rules({}) == []


def test_a_job_without_service_needs_a_healthy_one(scene: Scene) -> None:
    scene.worker(services=[{"name": "s", "healthy": False}])
    assert scene.rules({}) == ["service_health"]

    scene.worker(services=[])
    assert scene.rules({}) == ["service_health"]


def test_a_strict_job_shares_with_no_other_customer(scene: Scene) -> None:
    strict = {"customer_isolation": "strict"}
    slots, access = {"concurrent_jobs": 9}, {"isolation": "strict"}
    scene.worker(performance=slots, customer_access=access, held=[("a", "s", 0)])
    assert scene.rules(strict, "b") == ["isolation_held"]
    assert scene.rules(strict, "a") == []
    assert scene.rules({}, "b") == []

    scene.worker(performance=slots, customer_access=access, held=[("a", "s", 1)])
    assert scene.rules({}, "b") == ["isolation_held"]
    assert scene.rules({}, "") == ["isolation_held"]
    assert scene.rules({}, "a") == []


@pytest.mark.parametrize(
    ("access", "customer", "admitted"),
    [
        ({}, "", True),
        ({"allowed_customers": "all"}, "a", True),
        ({"allowed_customers": ["a"]}, "a", True),
        ({"allowed_customers": ["a"]}, "b", False),
        ({"allowed_customers": ["a"]}, "", False),
        ({"allowed_customers": [""]}, "", True),
        ({"allowed_customers": []}, "a", False),
        ({"denied_customers": ["a"]}, "a", False),
        ({"denied_customers": ["a"]}, "b", True),
        ({"denied_customers": [""]}, "", False),
        ({"allowed_customers": ["a"], "denied_customers": ["a"]}, "a", False),
    ],
)
def test_customer_access(
    scene: Scene, access: dict[str, Any], customer: str, admitted: bool
) -> None:
    scene.worker(customer_access=access)

    assert scene.rules({}, customer) == ([] if admitted else ["customer_access"])


def test_the_bound_on_customers_never_refuses_one_that_is_held(scene: Scene) -> None:
    scene.worker(
        customer_access={"max_concurrent_customers": 2},
        performance={"concurrent_jobs": 9},
        held=[("a", "s", 0), ("a", "s", 0), ("", "s", 0)],
    )

    assert scene.rules({}, "a") == []
    assert scene.rules({}, "") == []
    assert scene.rules({}, "b") == ["max_concurrent_customers"]


def test_job_types_are_asked_only_where_a_type_is_known(scene: Scene) -> None:
    scene.worker(job_types=["a"])
    assert scene.rules({}, "", "a") == []
    assert scene.rules({}, "", "b") == ["job_types"]
    assert scene.rules({}, "", None) == []

    scene.worker(job_types=[])
    assert scene.rules({}, "", "a") == ["job_types"]

    scene.worker(job_types="all")
    assert scene.rules({}, "", "a") == []


def test_a_stated_timeout_in_seconds_is_compared_in_minutes(scene: Scene) -> None:
    scene.worker(performance={"max_processing_time_minutes": 1.5})

    assert scene.rules({}, timeout_seconds=90) == []
    assert scene.rules({}, timeout_seconds=90.1) == ["timeout_minutes"]
    assert scene.rules({}) == []


def test_a_worker_is_avoided_while_another_could_take_the_job(scene: Scene) -> None:
    scene.worker("w")
    assert scene.rules(avoided=["w"]) == []

    scene.worker("x", held=[("", "s", 0)])
    lane = scene.lane({}, avoided=["w"])
    assert [it.rules for it in scene.verdicts(avoided=["w"])] == [["avoided_worker"], ["slots"]]
    assert scene.matcher.propose("w", 1) == []
    assert scene.matcher.offer(lane, ["w", "x"]) == []

    assert [it.rules for it in scene.verdicts(avoided=["w", "x"])] == [[], ["slots"]]
    for state in ("draining", "offline"):
        scene.worker("x", state=state)
        assert scene.verdicts(avoided=["w"])[0].rules == []
    scene.worker("x", hardware={"ram_gb": 1})
    assert scene.verdicts({"not": {"hardware": {"ram_gb": 1}}}, avoided=["w"])[0].rules == []
    assert [it.lane for it in scene.matcher.propose("x", 9)] == [lane]


@pytest.mark.parametrize(
    "busy",
    [
        {"held": [("b", "s", 0)]},
        {"held": [("b", "s", 1)], "performance": {"concurrent_jobs": 2}},
        {
            "held": [("b", "s", 0)],
            "performance": {"concurrent_jobs": 2},
            "customer_access": {"max_concurrent_customers": 1},
        },
    ],
)
def test_another_that_is_only_busy_could_take_the_job(scene: Scene, busy: dict[str, Any]) -> None:
    scene.worker("w")
    scene.worker("x", **busy)

    assert scene.verdicts({}, "a", avoided=["w"])[0].rules == ["avoided_worker"]
