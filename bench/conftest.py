"""One real Valkey and one real hub for all benchmarks; each prints its figures beside a baseline of the same run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.rig import Rig
from tests.support.processes import Hub
from tests.support.redis_server import RedisServer

FIGURES: list[tuple[str, str]] = []


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder: Path = tmp_path_factory.mktemp("bench")
    server = RedisServer("--maxmemory", "4gb").start()
    hub = Hub(server.url, folder)
    hub.start()
    rig = Rig(server, hub, folder)
    yield rig
    rig.close()
    hub.stop()
    server.stop()


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    """How often each measurement is repeated: `make bench ROUNDS=1` for a smoke run, else three."""
    return min(3, int(pytestconfig.getoption("benchmark_min_rounds")))


@pytest.fixture(scope="session")
def figures() -> list[tuple[str, str]]:
    """(what, figure) lines for the table at the end."""
    return FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("figures")
        width = max(len(what) for what, _ in FIGURES)
        for what, figure in FIGURES:
            terminalreporter.write_line(f"{what:<{width}}  {figure}")
