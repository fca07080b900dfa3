"""docs/matching.md: each example is judged by both matchers; every key, operator and rule is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from empq.matching.explanation import DIMENSIONS, explanation
from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher, Verdict
from empq.matching.paths import TABLE, WorkerFacts
from empq.matching.summary import STANDINGS
from empq.model.capabilities import decode_capabilities
from empq.model.conditions import OPERATORS
from empq.model.requirements import decode_requirements

PAGE = (Path(__file__).parents[2] / "docs" / "matching.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)]
encode = msgspec.msgpack.encode


@pytest.fixture(params=["rust", "python"])
def matcher(request: pytest.FixtureRequest) -> Matcher:
    if request.param == "rust":
        pytest.importorskip("empq.matching._rust")
    return make_matcher(request.param)


def told(matcher: Matcher, example: dict[str, Any]) -> dict[str, WorkerFacts]:
    """Tells the matcher of the example's workers; what they have."""
    workers = example.get("workers") or {"w": example["worker"]}
    held = example.get("held", [])
    rows = [[worker_id, 1, "online", 0, held] for worker_id in workers]
    for worker_id, capabilities in workers.items():
        matcher.set_worker(worker_id, 1, decode_capabilities(capabilities).document())
    matcher.apply([encode([1, [], rows, example.get("pauses", []), []])])
    jobs = [(customer, service, strict) for customer, service, strict in held]
    return {worker_id: WorkerFacts(sent, jobs) for worker_id, sent in workers.items()}


def judged(matcher: Matcher, example: dict[str, Any], job: dict[str, Any]) -> list[Verdict]:
    document = decode_requirements(job).document(example.get("type", "t"), None)
    return matcher.explain(document, example.get("customer", ""), [])


def test_there_are_examples_of_every_kind() -> None:
    assert len(EXAMPLES) >= 10
    assert any("score" in example for example in EXAMPLES)
    assert any("nearest_miss" in example for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: json.dumps(example["job"])[:60])
def test_an_example_is_judged_as_printed(matcher: Matcher, example: dict[str, Any]) -> None:
    facts = told(matcher, example)
    verdicts = judged(matcher, example, example["job"])
    if "rules" in example:
        (verdict,) = verdicts
        assert verdict.rules == example["rules"]
        if "score" in example:
            assert verdict.dimensions
            assert dict(zip(DIMENSIONS, verdict.dimensions, strict=True)) == example["dimensions"]
            assert verdict.score == example["score"]
        return
    answer = explanation(
        verdicts, example["job"], facts, lambda job: judged(matcher, example, job), job_type="t"
    )
    shown = {name: example[name] for name in ("verdict", "summary", "nearest_miss")}
    assert {name: answer[name] for name in shown} == shown


def test_every_key_operator_and_rule_is_named() -> None:
    for path in TABLE:
        assert f"`{path}`" in PAGE or f"`{path.rpartition('.')[2]}`" in PAGE, path
    for word in (*OPERATORS, *STANDINGS, "not", "prefer", "affinity", "labels"):
        assert f"`{word}`" in PAGE, word
