"""docs/protocol.md tells the truth: its conversations are held with a hub, its tables name every call, message and error."""

from __future__ import annotations

from pathlib import Path

import pytest

from empq.api.problems import STATUS
from empq.api.route_table import ROUTES
from empq.messages import client, worker
from tests.docs.conversations import Conversation, lines
from tests.support.live import MakesHub

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def sections() -> list[str]:
    """The parts that are conversations of their own."""
    parts = PAGE.split("\n## ")
    return [part for part in parts if list(lines(part))]


@pytest.mark.parametrize("section", sections(), ids=lambda part: part.splitlines()[0])
def test_a_conversation_goes_as_printed(make_hub: MakesHub, section: str) -> None:
    hub = make_hub(EMPQ_LEASE_SECONDS="15")
    conversation = Conversation(hub)
    for line in lines(section):
        conversation.run(line)
    conversation.close()
    assert conversation.heard >= 5


def test_every_call_message_and_error_is_named() -> None:
    for route in ROUTES:
        assert f"`{route.method} {route.path}`" in PAGE
    for kind in (*worker.WorkerMessage.__args__, *client.ClientMessage.__args__):
        assert f"`{kind.__struct_config__.tag}`" in PAGE
    for code in STATUS:
        assert f"`{code}`" in PAGE
