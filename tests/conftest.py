"""Fixtures for all tests: one real server a session, emptied for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from empq.settings import Settings
from empq.store import scripts
from empq.store.connection import ask
from empq.store.store import Store
from tests.support.clock import NOW_MS
from tests.support.redis_server import RedisServer

pytest_plugins = ["tests.support.live"]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture
def shifted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts read Redis' clock plus an offset that a test may set (tests/support/clock.py)."""
    texts = {
        name: scripts.Script(name, scripts.flatten(name, {"now_ms": NOW_MS}))
        for name in scripts.names()
    }
    monkeypatch.setattr(scripts, "load", texts.__getitem__)


@pytest.fixture
async def store(redis_server: RedisServer, shifted_clock: None) -> AsyncIterator[Store]:
    """An open store on an empty server, with a lease of 3 s."""
    opened = Store(Settings(redis_url=redis_server.url, lease_seconds=3))
    connection = opened.make_connection()
    await connection.connect()
    await ask(connection, "FLUSHALL")
    await connection.disconnect()
    await opened.open()
    opened.claim.applied = 2**52  # these tests keep no index
    yield opened
    await opened.close()
