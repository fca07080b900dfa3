"""What explain says of a pair is what propose and offer do with it, on every pair."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.implementation import make_matcher
from empq.model.requirements import decode_requirements
from scene import Scene

jobs = st.tuples(
    some.requirements, st.sampled_from(some.CUSTOMERS), st.sampled_from(some.TYPES), some.avoided
)
fleets = st.lists(
    st.tuples(some.capabilities, some.held, some.states, st.tuples(some.percent, some.percent, some.percent)),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(queue=st.lists(jobs, min_size=1, max_size=4), fleet=fleets)
def test_propose_offer_and_both_explains_agree(
    implementation: str,
    queue: list[tuple[dict[str, Any], str, str, list[str]]],
    fleet: list[tuple[dict[str, Any], Any, str, tuple[int, int, int]]],
) -> None:
    matcher = make_matcher("rust" if implementation == "rust" else "python")
    scene = Scene(matcher)
    for worker_id, (capabilities, held, state, load) in zip(some.WORKERS, fleet, strict=False):
        scene.worker(worker_id, capabilities, held=held, state=state, load=load)
    lanes = {
        scene.lane(sent, customer, job_type, avoided=avoided): (sent, customer, job_type, avoided)
        for sent, customer, job_type, avoided in queue
    }

    proposed = {
        (it.lane, worker_id): it.score
        for worker_id in some.WORKERS
        for it in matcher.propose(worker_id, 100)
    }
    explained_by_worker = {
        (lane, worker_id): rules
        for worker_id in some.WORKERS
        for lane, _, rules in matcher.explain_worker(worker_id)
    }

    for lane, (sent, customer, job_type, avoided) in lanes.items():
        document = decode_requirements(sent).canonical(job_type).document
        verdicts = matcher.explain(document, customer, avoided)
        scores = {it.worker_id: it.score for it in verdicts if not it.rules}
        assert set(matcher.offer(lane, some.WORKERS)) == set(scores)
        assert {w: score for (of, w), score in proposed.items() if of == lane} == scores
        assert {w: rules for (of, w), rules in explained_by_worker.items() if of == lane} == {
            it.worker_id: it.rules for it in verdicts
        }
        best = [scores[worker_id] for worker_id in matcher.offer(lane, some.WORKERS)]
        assert best == sorted(best, key=lambda score: -(score or 0))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sent=some.requirements, fleet=fleets)
def test_the_canonical_document_means_what_was_sent(
    implementation: str,
    sent: dict[str, Any],
    fleet: list[tuple[dict[str, Any], Any, str, tuple[int, int, int]]],
) -> None:
    matcher = make_matcher("rust" if implementation == "rust" else "python")
    scene = Scene(matcher)
    for worker_id, (capabilities, held, _, load) in zip(some.WORKERS, fleet, strict=False):
        scene.worker(worker_id, capabilities, held=held, load=load)
    requirements = decode_requirements(sent)

    as_sent = matcher.explain(requirements.document("t"), "a", [])
    canonical = matcher.explain(requirements.canonical("t").document, "a", [])

    assert [(it.score, it.dimensions) for it in as_sent] == [
        (it.score, it.dimensions) for it in canonical
    ]
    assert [sorted(_without_places(it.rules)) for it in as_sent] == [
        sorted(_without_places(it.rules)) for it in canonical
    ]


def _without_places(rules: list[str]) -> list[str]:
    return [rule.partition("[")[0] for rule in rules]
