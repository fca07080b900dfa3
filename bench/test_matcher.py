"""The matchers side by side: one match, one batch of the log. The crate's own benchmarks go further (cargo bench)."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from bench.rig import percentile
from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher
from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements

SHAPES = 1000
LEVEL = 1 << 46


def filled(name: Any) -> tuple[Matcher, list[bytes]]:
    """A matcher with 1,000 shapes of 1,000 jobs, half of which the worker fits, and the entries that fill it."""
    matcher = make_matcher(name)
    entries: list[bytes] = []
    for number in range(SHAPES):
        needs = {
            "service_type": "comfyui",
            "hardware": {"gpu_memory_gb": 8 if number % 2 else 80},
            "component": f"c{number}",
        }
        base, document = decode_requirements(needs).canonical("t")
        matcher.add_shape(base, document)
        lane = [
            f"{base}:acme",
            (100 - number % 100) * LEVEL + number,
            f"{number:016x}job-{number}",
            1000,
        ]
        entries.append(msgspec.msgpack.encode([number + 1, [lane], []]))
    matcher.apply(entries)
    offer = {"services": [{"name": "comfyui", "models": "all"}], "hardware": {"gpu_memory_gb": 24}}
    matcher.set_worker("w", 1, decode_capabilities(offer).document())
    matcher.apply([msgspec.msgpack.encode([SHAPES + 1, [], [["w", 1, "online", 0, []]]])])
    return matcher, entries


@pytest.mark.parametrize("name", ["rust", "python"])
def test_propose(benchmark: Any, name: str, figures: list[tuple[str, str]]) -> None:
    matcher, _ = filled(name)
    assert benchmark(matcher.propose, "w", 1)
    taken: list[float] = []
    for _ in range(50_000 if name == "rust" else 500):
        begun = time.perf_counter_ns()
        matcher.propose("w", 1)
        taken.append((time.perf_counter_ns() - begun) / 1e3)
    median, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    what = f"propose among 1,000 shapes of 1,000 jobs, from Python, {name}"
    figures.append((what, f"median {median:.2f} us, p99 {p99:.2f} us"))


@pytest.mark.parametrize("name", ["rust", "python"])
def test_apply_a_batch_of_1000_entries(benchmark: Any, name: str) -> None:
    matcher, entries = filled(name)
    numbers = iter(range(2, 1_000_000))

    def later() -> tuple[tuple[list[bytes]], dict[str, Any]]:
        raised = next(numbers) * SHAPES
        decoded = [msgspec.msgpack.decode(entry) for entry in entries]
        return (
            [
                msgspec.msgpack.encode([number + raised, lanes, workers])
                for number, lanes, workers in decoded
            ],
        ), {}

    applied = benchmark.pedantic(matcher.apply, setup=later, rounds=3)
    assert applied.last_number > SHAPES
