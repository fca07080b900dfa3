"""The nearest miss: the smallest change that opens a worker, proved by matching again."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.implementation import make_matcher
from scene import Scene, explained

MISSES: list[tuple[dict[str, Any], dict[str, Any], str, Any, Any]] = [
    ({"service_type": "x"}, {}, "service_type", "x", "s"),
    ({"service_type": "x"}, {"services": [{"name": "s", "healthy": False}, {"name": "t"}]}, "service_type", "x", "t"),
    ({"component": "c"}, {"components": ["b"]}, "component", "c", "b"),
    ({"component": "c"}, {"components": []}, "component", "c", None),
    ({"workflow": "c"}, {"workflows": ["d", "b"]}, "workflow", "c", "d"),
    ({"service_type": "s", "models": ["n", "m"]}, {}, "models", ["n", "m"], ["m"]),
    ({"service_type": "s", "models": ["n"]}, {}, "models", ["n"], []),
    ({"hardware": {"cpu_cores": 1.5}}, {"hardware": {"cpu_cores": 1}}, "hardware.cpu_cores", 1.5, 1),
    ({"hardware": {"cpu_cores": 1.5}}, {}, "hardware.cpu_cores", 1.5, 0),
    ({"hardware": {"gpu_model": "A"}}, {"hardware": {"gpu_model": "B"}}, "hardware.gpu_model", "A", "B"),
    ({"hardware": {"gpu_model": ["A"]}}, {"hardware": {"gpu_model": "B"}}, "hardware.gpu_model", ["A"], ["A", "B"]),
    ({"hardware": {"gpu_model": ["A"]}}, {}, "hardware.gpu_model", ["A"], None),
    ({"customer_isolation": "strict"}, {}, "customer_isolation", "strict", "none"),
    ({"geographic_region": "eu"}, {"location": {"region": "us"}}, "geographic_region", "eu", "us"),
    ({"geographic_region": "eu"}, {}, "geographic_region", "eu", None),
    ({"compliance": ["a", "b"]}, {"location": {"compliance": ["b"]}}, "compliance", ["a", "b"], ["b"]),
    ({"quality_level": "fast", "quality_required": True}, {}, "quality_required", True, False),
    ({"cost_tier": "economy"}, {"cost": {"tier": "premium"}}, "cost_tier", "economy", "premium"),
    ({"cost_tier": "economy"}, {}, "cost_tier", "economy", "standard"),
    ({"timeout_minutes": 9}, {"performance": {"max_processing_time_minutes": 8.5}}, "timeout_minutes", 9, 8.5),
    ({"timeout_minutes": 9}, {"performance": {"max_processing_time_minutes": 0}}, "timeout_minutes", 9, None),
    ({"constraints": [{"key": "j", "op": "not_exists"}, {"key": "k", "op": "exists"}]}, {}, "constraints[1]", {"key": "k", "op": "exists"}, None),
    ({"not": {"service_type": "s"}}, {}, "not.service_type", "s", None),
    ({"service_type": "s", "not": {"models": ["n", "m"]}}, {}, "not.models[1]", "m", None),
    ({"not": {"hardware": {"gpu_model": ["a"]}}}, {"hardware": {"gpu_model": "A"}}, "not.hardware.gpu_model[0]", "a", None),
    ({"not": {"hardware": {"gpu_model": "a", "ram_gb": 1}}}, {"hardware": {"gpu_model": "A"}}, "not.hardware.gpu_model", "a", None),
]  # fmt: skip


@pytest.mark.parametrize(("requirements", "capabilities", "path", "before", "after"), MISSES)
def test_the_nearest_miss_is_the_smallest_change_that_opens(
    scene: Scene,
    requirements: dict[str, Any],
    capabilities: dict[str, Any],
    path: str,
    before: Any,
    after: Any,
) -> None:
    scene.worker("w", **capabilities)
    sent = copy.deepcopy(requirements)

    assert explained(scene, requirements)["nearest_miss"] == {
        "change": {"path": path, "from": before, "to": after},
        "worker_id": "w",
        "opens": ["w"],
    }
    assert requirements == sent


def test_numbers_come_first_the_nearest_first(scene: Scene) -> None:
    required = {"hardware": {"gpu_memory_gb": 24, "ram_gb": 100}, "service_type": "s"}
    enough = {"gpu_memory_gb": 24, "ram_gb": 100}
    scene.worker("a", services=[{"name": "t"}], hardware=enough)
    scene.worker("b", hardware={**enough, "gpu_memory_gb": 20})
    scene.worker("c", hardware={**enough, "ram_gb": 90})
    scene.worker("d", hardware={**enough, "ram_gb": 90})
    scene.worker("e", hardware={**enough, "ram_gb": 99}, held=[("", "", 0)])
    scene.worker("f", hardware={"ram_gb": 99})

    assert explained(scene, required)["nearest_miss"] == {
        "change": {"path": "hardware.ram_gb", "from": 100, "to": 90},
        "worker_id": "c",
        "opens": ["c", "d"],
    }


def test_other_rules_come_in_table_order_then_by_worker(scene: Scene) -> None:
    required = {
        "component": "c",
        "constraints": [{"key": "k", "op": "not_exists"}],
        "not": {"cost_tier": "premium"},
    }
    scene.worker("a", cost={"tier": "premium"})
    scene.worker("b", labels={"k": 1})
    assert explained(scene, required)["nearest_miss"]["worker_id"] == "b"

    scene.worker("d", components=["x"])
    scene.worker("c", components=["x"])
    assert explained(scene, required)["nearest_miss"] == {
        "change": {"path": "component", "from": "c", "to": "x"},
        "worker_id": "c",
        "opens": ["c", "d"],
    }


def test_a_pair_that_no_value_of_its_path_opens_is_skipped(scene: Scene) -> None:
    scene.worker("a", services=[{"name": "t", "healthy": False}])
    assert explained(scene, {"service_type": "s"})["nearest_miss"] is None

    scene.worker("b", held=[("", "s", 0)])
    scene.worker("c", job_types=[])
    assert explained(scene, {"service_type": "s"})["nearest_miss"] is None


def changed(requirements: dict[str, Any], path: str, to: Any) -> dict[str, Any]:
    """The requirements with one value replaced or removed, said once more than in the code."""
    result = copy.deepcopy(requirements)
    match = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", path)
    assert match
    *parents, last = match[1].split(".")
    at = result
    for key in parents:
        at = at[key]
    if match[2] is not None:
        assert to is None
        del at[last][int(match[2])]
        if not at[last]:
            del at[last]
    elif to is None:
        del at[last]
    else:
        at[last] = to
    return result


fleets = st.lists(st.tuples(some.capabilities, some.held), min_size=1, max_size=4)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(requirements=some.requirements, fleet=fleets, customer=st.sampled_from(some.CUSTOMERS))
def test_every_nearest_miss_is_proved_by_matching_again(
    implementation: str,
    requirements: dict[str, Any],
    fleet: list[tuple[dict[str, Any], Any]],
    customer: str,
) -> None:
    scene = Scene(make_matcher("rust" if implementation == "rust" else "python"))
    for worker_id, (capabilities, held) in zip(some.WORKERS, fleet, strict=False):
        scene.worker(worker_id, capabilities, held=held)

    answer = explained(scene, requirements, customer)
    miss = answer["nearest_miss"]

    assert answer["eligible"] == sum(it["eligible"] for it in answer["workers"])
    alone = [it["rejections"][0] for it in answer["workers"] if len(it["rejections"]) == 1]
    numbers = [
        it for it in alone if it["rule"].startswith("hardware.") and "model" not in it["rule"]
    ]
    if miss is None:
        assert answer["eligible"] or not numbers
        return
    change = miss["change"]
    again = scene.verdicts(changed(requirements, change["path"], change["to"]), customer)
    assert [it.worker_id for it in again if not it.rules] == miss["opens"]
    assert miss["worker_id"] in miss["opens"]
    assert not answer["eligible"]


AMOUNTS = st.sampled_from([0.5, 1, 2, 3, 8])
NEEDS = st.fixed_dictionaries(
    {
        "hardware": st.dictionaries(
            st.sampled_from(["ram_gb", "gpu_memory_gb", "gpu_count"]), AMOUNTS, min_size=1
        )
    }
)
OFFERS = st.fixed_dictionaries(
    {},
    optional={
        "hardware": st.dictionaries(
            st.sampled_from(["ram_gb", "gpu_memory_gb", "gpu_count"]), AMOUNTS
        ),
        "job_types": st.just([]),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requirements=NEEDS, fleet=st.lists(OFFERS, min_size=1, max_size=3))
def test_of_all_changes_of_one_number_it_is_the_smallest(
    implementation: str, requirements: dict[str, Any], fleet: list[dict[str, Any]]
) -> None:
    """Every number is tried with every worker's own, and the smallest step that opens that worker is sought by hand."""
    scene = Scene(make_matcher("rust" if implementation == "rust" else "python"))
    offers = dict(zip(some.WORKERS, fleet, strict=False))
    for worker_id, capabilities in offers.items():
        scene.worker(worker_id, **capabilities)
    steps: list[tuple[int, str, str, float]] = []
    for worker_id, capabilities in offers.items():
        for key, wanted in requirements["hardware"].items():
            offered = capabilities.get("hardware", {}).get(key, 0)
            again = scene.verdicts(changed(requirements, f"hardware.{key}", offered))
            if offered < wanted and worker_id in [it.worker_id for it in again if not it.rules]:
                scale = 1024 if key.endswith("_gb") else 1000
                step = int((wanted - offered) * scale) * 10_000 // int(wanted * scale)
                steps.append((step, worker_id, f"hardware.{key}", offered))

    answer = explained(scene, requirements)

    if answer["eligible"] or not steps:
        assert answer["nearest_miss"] is None
        return
    _, worker_id, path, offered = min(steps)
    miss = answer["nearest_miss"]
    assert (miss["worker_id"], miss["change"]["path"], miss["change"]["to"]) == (
        worker_id,
        path,
        offered,
    )
