"""model/demand.py: a shape's document read back into requirements."""

from __future__ import annotations

from typing import Any

import pytest

from empq.model.demand import demand_of
from empq.model.requirements import decode_requirements


def test_every_key_is_told_in_the_words_of_requirements() -> None:
    sent: dict[str, Any] = {
        "service_type": "comfyui",
        "component": "upscale",
        "workflow": "flux",
        "models": ["a", "b/x"],
        "hardware": {
            "gpu_memory_gb": 23.5, "gpu_count": 2, "cpu_cores": 1.5, "ram_gb": 64, "storage_gb": 1,
            "gpu_model": ["rtx 4090"],
        },
        "customer_isolation": "strict",
        "geographic_region": ["eu", "us"],
        "compliance": ["gdpr"],
        "quality_level": "fast",
        "quality_required": True,
        "cost_tier": "premium",
        "timeout_minutes": 2.5,
        "constraints": [{"key": "rack_gb", "op": "in", "value": [-2.5, 3, "x", True]}, {"key": "z", "op": "exists"}],
        "prefer": [{"key": "hardware.ram_gb", "op": "ge", "value": 64, "weight": -3}],
        "not": {
            "service_type": "a1111", "models": ["m"], "cost_tier": "economy",
            "hardware": {"storage_gb": 0.5, "gpu_model": ["a"]},
            "constraints": [{"key": "k", "op": "eq", "value": 1.001}],
        },
    }  # fmt: skip

    demand = demand_of(decode_requirements(sent).document("t"))

    assert demand.job_type == "t"
    assert demand.requirements == sent


def test_nothing_demanded_is_nothing_told() -> None:
    assert demand_of(decode_requirements({}).document(None)) == (None, {})


def test_a_timeout_in_seconds_is_told_in_minutes() -> None:
    document = decode_requirements({}).document("t", 100)

    assert demand_of(document).requirements == {"timeout_minutes": 1.667}


@pytest.mark.parametrize("gigabytes", [0.001, 0.5, 1, 10.1, 23.999, 24, 80.5, 1_000_000])
def test_numbers_are_told_as_short_as_they_were_sent(gigabytes: float) -> None:
    sent = {"hardware": {"cpu_cores": gigabytes, "ram_gb": gigabytes}}

    hardware = demand_of(decode_requirements(sent).document("t")).requirements["hardware"]

    assert repr(hardware) == repr(sent["hardware"])


def test_a_document_that_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError):
        demand_of(b"{")
