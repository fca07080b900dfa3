"""docs/operations.md names every metric that a hub exports, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.processes import Hub

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_the_metrics_are_those_of_a_hub(shared_hub: Hub) -> None:
    text = shared_hub.http("GET", "/metrics").raw.decode()
    exported = set(re.findall(r"^# TYPE (empq_\w+) ", text, re.M))
    table = PAGE[PAGE.index("<!-- metrics -->") : PAGE.index("Exit codes of")]
    named = set(re.findall(r"`(empq_\w+)", table))

    assert named == exported
