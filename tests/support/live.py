"""Fixtures of real processes: one hub that tests share, and what a test needs to have hubs of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.processes import Hub, Program
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene

LEASE_SECONDS = 2


class MakesHub(Protocol):
    """Starts a hub on the test's own Redis, with a short lease; killed after the test."""

    def __call__(self, *flags: str, name: str = "hub", **variables: str) -> Hub: ...


@pytest.fixture(scope="session")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with a lease that no test outlasts. Never kill it."""
    redis = RedisServer().start()
    hub = Hub(
        redis.url,
        tmp_path_factory.mktemp("shared-hub"),
        EMPQ_LEASE_SECONDS="300",
        EMPQ_LOG_LEVEL="debug",
    )
    try:
        hub.start()
        yield hub
        assert hub.stop() == 0, hub.text
    finally:
        hub.kill()
        redis.stop()


@pytest.fixture
def scene(shared_hub: Hub) -> Iterator[Scene]:
    made = Scene(shared_hub)
    yield made
    made.close()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    # everysec may put a write off while a sync is under way, and a kill then loses it
    server = RedisServer("--appendfsync", "always").start()
    yield server
    server.stop()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """What is put in here is killed after the test."""
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


@pytest.fixture
def make_hub(own_redis: RedisServer, tmp_path: Path, programs: list[Program]) -> MakesHub:
    def make(*flags: str, name: str = "hub", **variables: str) -> Hub:
        stated = {"EMPQ_LEASE_SECONDS": str(LEASE_SECONDS), **variables}
        hub = Hub(own_redis.url, tmp_path, *flags, name=name, **stated)
        programs.append(hub)
        hub.start()
        return hub

    return make
