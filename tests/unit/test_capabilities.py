"""model/capabilities.py: what a worker may state, its document, and changes at run time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from empq.errors import InvalidField, TooLarge, UnknownField
from empq.model.capabilities import decode_capabilities, merge_patch, with_health


def document(sent: dict[str, Any]) -> Any:
    return json.loads(decode_capabilities(sent).document())


NOBODY = {
    "services": [],
    "hardware": {},
    "denied_customers": [],
    "concurrent_jobs": 1,
    "labels": {},
    "affinity": {
        "preferred_types": [], "preferred_customers": [], "preferred_components": [],
        "avoided_types": [], "avoided_customers": [], "avoided_components": [],
    },
}  # fmt: skip


def test_only_services_must_be_stated() -> None:
    assert document({"services": []}) == NOBODY
    assert document({"services": [], "hardware": None, "labels": None}) == NOBODY


def test_every_key_reaches_the_document_scaled_and_sets_sorted() -> None:
    sent = {
        "services": [
            {"name": "b", "models": ["y\\z", "x", "x"], "loaded": ["x"], "healthy": False, "capacity": 2},
            {"name": "a", "models": "all"},
        ],
        "components": "all",
        "workflows": ["w2", "w1"],
        "job_types": [],
        "hardware": {"gpu_memory_gb": 24, "cpu_cores": 1.5, "gpu_model": "NVIDIA RTX"},
        "customer_access": {
            "isolation": "strict",
            "allowed_customers": ["b", ""],
            "denied_customers": ["c"],
            "max_concurrent_customers": 3,
        },
        "performance": {
            "concurrent_jobs": 4,
            "quality_levels": ["quality", "fast"],
            "max_processing_time_minutes": 2.5,
        },
        "location": {"region": "eu-1", "compliance": ["b", "a"]},
        "cost": {"tier": "premium", "rate_per_hour": 1.25},
        "labels": {"zone": "z", "n": 1.5, "ssd": True, "tags": ["b", "a"], "none": None},
        "affinity": {"preferred_types": ["t"], "avoided_customers": [""]},
    }  # fmt: skip

    read = decode_capabilities(sent)

    assert json.loads(read.document()) == {
        "services": [
            {"name": "b", "models": ["x", "y/z"], "loaded": ["x"], "healthy": False, "capacity": 2},
            {"name": "a", "models": "all", "loaded": [], "healthy": True},
        ],
        "components": "all",
        "workflows": ["w1", "w2"],
        "job_types": [],
        "hardware": {"gpu_memory_gb": 24576, "cpu_cores": 1500},
        "gpu_model": "nvidia rtx",
        "isolation": 2,
        "allowed_customers": ["", "b"],
        "denied_customers": ["c"],
        "max_concurrent_customers": 3,
        "concurrent_jobs": 4,
        "quality_levels": ["fast", "quality"],
        "max_processing_time_minutes": 2500,
        "region": "eu-1",
        "compliance": ["a", "b"],
        "cost_tier": 2,
        "rate_per_hour": 1250,
        "labels": {"n": 1500, "ssd": True, "tags": ["a", "b"], "zone": "z"},
        "affinity": {**NOBODY["affinity"], "preferred_types": ["t"], "avoided_customers": [""]},
    }
    assert read.sent is sent
    assert read.slots == 4
    assert read.service_names == ("b", "a")
    assert read.capacity_by_service == {"b": 2}
    assert read.max_concurrent_customers == 3


def with_services(*services: Any) -> dict[str, Any]:
    return {"services": list(services)}


def plus(**more: Any) -> dict[str, Any]:
    return {"services": [], **more}


REFUSED: list[tuple[Any, str, str]] = [
    ({}, "invalid_field", "/services"),
    ({"services": None}, "invalid_field", "/services"),
    (plus(gpus=1), "unknown_field", "/gpus"),
    (with_services({}), "invalid_field", "/services/0/name"),
    (with_services({"name": ""}), "invalid_field", "/services/0/name"),
    (with_services({"name": "a"}, {"name": "a"}), "invalid_field", "/services/1/name"),
    (with_services({"name": "a", "models": ["all"]}), "invalid_field", "/services/0/models/0"),
    (with_services({"name": "a", "models": "some"}), "invalid_field", "/services/0/models"),
    (with_services({"name": "a", "loaded": "all"}), "invalid_field", "/services/0/loaded"),
    (with_services({"name": "a", "loaded": ["all"]}), "invalid_field", "/services/0/loaded/0"),
    (with_services({"name": "a", "healthy": "yes"}), "invalid_field", "/services/0/healthy"),
    (with_services({"name": "a", "capacity": 0}), "invalid_field", "/services/0/capacity"),
    (with_services({"name": "a", "capacity": 1.0}), "invalid_field", "/services/0/capacity"),
    (with_services({"name": "a", "url": "x"}), "unknown_field", "/services/0/url"),
    (plus(components=["all"]), "invalid_field", "/components/0"),
    (plus(components=[""]), "invalid_field", "/components/0"),
    (plus(job_types="none"), "invalid_field", "/job_types"),
    (plus(hardware={"gpu_memory_gb": -1}), "invalid_field", "/hardware/gpu_memory_gb"),
    (plus(hardware={"gpu_memory_gb": float("nan")}), "invalid_field", "/hardware/gpu_memory_gb"),
    (plus(hardware={"gpu_model": ["a"]}), "invalid_field", "/hardware/gpu_model"),
    (plus(customer_access={"isolation": "hard"}), "invalid_field", "/customer_access/isolation"),
    (plus(customer_access={"allowed_customers": ["all"]}), "invalid_field", "/customer_access/allowed_customers/0"),
    (plus(customer_access={"denied_customers": "all"}), "invalid_field", "/customer_access/denied_customers"),
    (plus(customer_access={"denied_customers": ["x" * 65]}), "invalid_field", "/customer_access/denied_customers/0"),
    (plus(customer_access={"max_concurrent_customers": 0}), "invalid_field", "/customer_access/max_concurrent_customers"),
    (plus(performance={"concurrent_jobs": 0}), "invalid_field", "/performance/concurrent_jobs"),
    (plus(performance={"concurrent_jobs": 2.5}), "invalid_field", "/performance/concurrent_jobs"),
    (plus(performance={"quality_levels": ["best"]}), "invalid_field", "/performance/quality_levels/0"),
    (plus(location={"region": ""}), "invalid_field", "/location/region"),
    (plus(location={"zone": "x"}), "unknown_field", "/location/zone"),
    (plus(cost={"tier": "free"}), "invalid_field", "/cost/tier"),
    (plus(cost={"rate_per_hour": -1}), "invalid_field", "/cost/rate_per_hour"),
    (plus(labels={"": 1}), "invalid_field", "/labels/"),
    (plus(labels={"a/b": ""}), "invalid_field", "/labels/a~1b"),
    (plus(labels={"a": [1]}), "invalid_field", "/labels/a/0"),
    (plus(labels={"a": {}}), "invalid_field", "/labels/a"),
    (plus(labels={"worker_id": "w"}), "invalid_field", "/labels/worker_id"),
    (plus(labels={"hardware.ram_gb": 1}), "invalid_field", "/labels/hardware.ram_gb"),
    (plus(labels={"a": ["x"] * 10_001}), "too_large", "/labels/a"),
    (plus(labels={str(i): 1 for i in range(1001)}), "too_large", "/labels"),
    (plus(affinity={"preferred_types": ["all"]}), "invalid_field", "/affinity/preferred_types/0"),
    (plus(affinity={"liked_types": []}), "unknown_field", "/affinity/liked_types"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code", "pointer"), REFUSED, ids=lambda v: str(v)[:40])
def test_refuses_with_the_pointer_of_the_value(sent: Any, code: str, pointer: str) -> None:
    with pytest.raises((InvalidField, UnknownField, TooLarge)) as caught:
        decode_capabilities(sent)
    assert caught.value.code == code
    assert [error.pointer for error in caught.value.errors] == ["/capabilities" + pointer]


def test_a_patch_merges_and_null_deletes() -> None:
    sent = {"services": [], "labels": {"a": 1, "b": 2}, "hardware": {"ram_gb": 1}}
    changes = {"labels": {"a": None, "c": {"x": None}}, "hardware": None, "components": ["c"]}

    assert merge_patch(sent, changes) == {
        "services": [],
        "labels": {"b": 2, "c": {}},
        "components": ["c"],
    }
    assert sent["labels"] == {"a": 1, "b": 2}


def test_a_patch_changes_one_service_by_name() -> None:
    sent = {"services": [{"name": "a", "models": ["m"]}, {"name": "b"}]}
    changes = {
        "services_by_name": {"a": {"loaded": ["m"], "models": None}, "b": {"healthy": False}}
    }

    assert merge_patch(sent, changes)["services"] == [
        {"name": "a", "loaded": ["m"]},
        {"name": "b", "healthy": False},
    ]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ([], ""),
        ({"services_by_name": {"c": {}}}, "/services_by_name/c"),
        ({"services_by_name": {"a": None}}, "/services_by_name/a"),
        ({"services_by_name": {"a": {"capacity": 2}}}, "/services_by_name/a/capacity"),
        ({"services_by_name": []}, "/services_by_name"),
        ({"services": 1, "services_by_name": {}}, "/services"),
        ({"services": [[]], "services_by_name": {}}, "/services_by_name"),
    ],
)
def test_a_wrong_patch_is_refused(changes: Any, pointer: str) -> None:
    with pytest.raises((InvalidField, UnknownField)) as caught:
        merge_patch({"services": [{"name": "a"}]}, changes)
    assert caught.value.errors[0].pointer == "/capability_changes" + pointer


def test_reported_health_overrides_what_was_stated() -> None:
    sent = {"services": [{"name": "a", "healthy": True}, {"name": "b", "healthy": False}]}

    assert with_health(sent, {"a": False, "b": True, "c": True})["services"] == [
        {"name": "a", "healthy": False},
        {"name": "b", "healthy": True},
    ]
