"""A matcher that panics costs the call and a rebuild, never the hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from empq.api.services import Services
from empq.errors import NotReady
from empq.hub import hub as hub_module
from empq.hub.hub import Hub
from empq.matching.implementation import make_matcher
from empq.messages.rest import JobRequest, RegisterWorker
from empq.settings import Settings
from empq.store.store import Store
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually


class Panicking:
    """A matcher whose next call of `named` fails as a panic in Rust does."""

    named = ""

    def __init__(self) -> None:
        self._matcher = make_matcher("python")

    def __getattr__(self, name: str) -> Any:
        if name == Panicking.named:
            Panicking.named = ""
            raise RuntimeError("matcher panicked: on purpose")
        return getattr(self._matcher, name)


@pytest.fixture
async def services(
    store: Store, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Services]:
    """A hub in this process, on an empty data set."""
    monkeypatch.setattr(hub_module, "make_matcher", lambda name: Panicking())
    hub = Hub(Settings(redis_url=redis_server.url, artifacts=tmp_path.as_uri()))
    yield await hub.start()
    await hub.stop()


def request(payload: bytes = b"1") -> JobRequest:
    return JobRequest(
        type="t", payload=msgspec.Raw(payload), requirements=msgspec.Raw(b'{"service_type":"s"}')
    )


async def until_ready(services: Services) -> None:
    await asyncio.to_thread(eventually, lambda: services.readiness()[0], "the hub is ready again")


@pytest.mark.parametrize("named", ["propose", "add_shape", "apply", "explain", "unserved"])
async def test_a_panic_costs_a_call_and_a_rebuild(services: Services, named: str) -> None:
    offer = {"services": [{"name": "s", "models": "all"}], "performance": {"concurrent_jobs": 9}}
    await services.registry.register(RegisterWorker(worker_id="w", capabilities=offer))
    before, _ = await services.submissions.submit(request())
    Panicking.named = named
    outcomes: list[Any] = []
    other = JobRequest(type="other", payload=msgspec.Raw(b"2"))
    for call in (
        lambda: services.explaining.explain(before.id),
        lambda: services.submissions.submit(other),
        lambda: services.broker.claim("w", None, 1, 0, None),
        lambda: services.statistics.snapshot(),
    ):
        outcomes += await asyncio.gather(call(), return_exceptions=True)
    assert not Panicking.named, "the panic never came"
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert len(refused) <= 1
    assert all(isinstance(one, NotReady) for one in refused)
    await until_ready(services)

    given = await services.broker.claim("w", None, 9, 5000, None)
    stored = (await services.statistics.counts())["assigned"]
    assert stored >= len(given) >= 0
    assert (await services.statistics.counts())["queued"] == 0
    text = (await services.metrics.render()).decode()
    assert "empq_matcher_failures_total 1.0" in text
    assert "empq_index_rebuilds_total 2.0" in text
