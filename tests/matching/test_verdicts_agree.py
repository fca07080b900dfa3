"""One job, a few workers, both matchers: the same rules, the same score, the same dimensions."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.implementation import make_matcher
from empq.matching.interface import Verdict
from scene import Scene

types = st.sampled_from((None, *some.TYPES))
customers = st.sampled_from(some.CUSTOMERS)
loads = st.tuples(some.percent, some.percent, some.percent)
fleets = st.lists(
    st.tuples(some.capabilities, some.held, some.states, loads), min_size=1, max_size=3
)


def verdicts(name: str, fleet: list[Any], sent: dict[str, Any], *more: Any) -> list[Verdict]:
    scene = Scene(make_matcher("rust" if name == "rust" else "python"))
    for worker_id, (capabilities, held, state, load) in zip(some.WORKERS, fleet, strict=False):
        scene.worker(worker_id, capabilities, held=held, state=state, load=load)
    customer, job_type, avoided = more
    return scene.verdicts(sent, customer, job_type, avoided=avoided)


@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.requirements | some.wishes, fleets, customers, types, some.avoided)
def test_the_same_verdicts(
    sent: dict[str, Any],
    fleet: list[Any],
    customer: str,
    job_type: str | None,
    avoided: list[str],
) -> None:
    more = customer, job_type, avoided

    assert verdicts("rust", fleet, sent, *more) == verdicts("reference", fleet, sent, *more)
