"""Fixtures: a hub that follows the test's script, a connector that waits for the test, a worker between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from empq.worker.runtime import Worker
from tests.worker.scripted_hub import GatedConnector, ScriptedHub, backend, working


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with ScriptedHub().running() as running:
        yield running


@pytest.fixture
def connector() -> GatedConnector:
    return GatedConnector()


@pytest.fixture
async def worker(hub: ScriptedHub, connector: GatedConnector) -> AsyncIterator[Worker]:
    """Running, with two slots."""
    made = Worker(hub.url, "w-1", [backend(connector)], capabilities={"labels": {"a": 1}})
    async with working(made):
        yield made
