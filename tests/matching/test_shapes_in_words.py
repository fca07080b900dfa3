"""A shape told in words is the same shape: what is shown of it can be sent again."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.model.demand import demand_of
from empq.model.requirements import decode_requirements


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sent=some.requirements | some.wishes,
    job_type=st.sampled_from((None, *some.TYPES)),
    gigabytes=st.floats(0, 1_000_000),
    number=st.floats(-(10**12), 10**12),
)
def test_what_is_told_decodes_to_the_same_shape(
    sent: dict[str, Any], job_type: str | None, gigabytes: float, number: float
) -> None:
    sent = {**sent, "hardware": {**sent.get("hardware", {}), "ram_gb": gigabytes}}
    sent["constraints"] = [*sent.get("constraints", []), {"key": "n", "op": "gt", "value": number}]
    shape = decode_requirements(sent).canonical(job_type)

    demand = demand_of(shape.document)

    assert decode_requirements(demand.requirements).canonical(demand.job_type) == shape
