"""Runs tests/vectors/*.json, cases that were worked out by hand (see the README there)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scene import Scene

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(VECTORS.glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]
WEIGHTS = (35, 25, 15, 10, 5, 5, 5)
KEYS = {
    "name", "requirements", "capabilities", "type", "customer", "timeout_seconds", "held", "state",
    "load", "fit", "weights", "pauses", "customers", "rules", "score", "dimensions",
}  # fmt: skip


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 130
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_vector(scene: Scene, case: dict[str, Any]) -> None:
    assert set(case) <= KEYS
    scene.matcher.configure("fifo", case.get("fit", "best_fit"), case.get("weights", WEIGHTS))
    scene.worker(
        "w",
        case["capabilities"],
        held=case.get("held", ()),
        state=case.get("state", "online"),
        load=tuple(case.get("load", (0, 0, 0))),
    )
    scene.apply([], [], case.get("pauses", 0), case.get("customers", []))

    (verdict,) = scene.verdicts(
        case["requirements"],
        case.get("customer", ""),
        case.get("type", "t"),
        timeout_seconds=case.get("timeout_seconds"),
    )

    assert verdict.rules == case["rules"]
    assert verdict.score == case.get("score")
    assert verdict.dimensions == (tuple(case["dimensions"]) if "dimensions" in case else None)
