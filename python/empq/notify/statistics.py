"""Figures of the whole data set, read from the counters that the scripts keep."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import json

from empq.model.lifecycle import STATES
from empq.queue.waits import oldest_wait
from empq.store.keys import key
from empq.store.store import Store


class _AskedService(msgspec.Struct):
    service: str | None = None


class _OfferedService(msgspec.Struct):
    name: str


class _OfferedServices(msgspec.Struct):
    services: list[_OfferedService] | None = None


class Statistics:
    """Counts by status, totals, workers, and this hub's index."""

    def __init__(
        self,
        store: Store,
        index_figures: Callable[[], dict[str, int]],
        unmet_demand: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        self._store, self._index_figures, self._unmet_demand = store, index_figures, unmet_demand

    async def counts(self) -> dict[str, int]:
        """status -> stored jobs."""
        return _numbers(await self._store.command("HGETALL", key("counts")), STATES)

    async def queues(self) -> list[dict[str, Any]]:
        """GET /api/queues: per service ("" : jobs that name none) what is queued, and how long the oldest has waited."""
        services = sorted(await self._services())
        depths = await asyncio.gather(
            *(self._store.command("ZCARD", key("line", service)) for service in services)
        )
        oldest = await asyncio.gather(
            *(oldest_wait(self._store, [key("line", service)]) for service in services)
        )
        return [
            {"service": service or None, "queued": depth, "oldest_wait_seconds": waited}
            for service, depth, waited in zip(services, depths, oldest, strict=True)
        ]

    async def _services(self) -> set[str]:
        """Services that workers offer or stored jobs ask for."""
        documents = await self._store.command("HVALS", key("shapes"))
        asked = {json.decode(document, type=_AskedService).service or "" for document in documents}
        found = await self._store.workers(await self._store.worker_ids())
        offered = {
            service.name
            for record, sent, _ in found
            if record and sent and record.state != "offline"
            for service in json.decode(sent, type=_OfferedServices).services or []
        }
        return asked | offered

    async def snapshot(self) -> dict[str, Any]:
        """GET /api/stats."""
        counts, totals, worker_ids = await asyncio.gather(
            self.counts(), self._store.command("HGETALL", key("totals")), self._store.worker_ids()
        )
        workers = [record for record, _, _ in await self._store.workers(worker_ids) if record]
        statuses = Counter(
            record.state if record.state != "online" else "busy" if record.held else "idle"
            for record in workers
        )
        alive = [record for record in workers if record.state != "offline"]
        return {
            "depth": counts["queued"],
            "jobs": counts,
            "totals": _numbers(
                totals, ("submitted", "completed", "failed", "timeout", "cancelled")
            ),
            "workers": {name: statuses[name] for name in ("idle", "busy", "draining", "offline")},
            "slots": {
                "total": sum(record.slots for record in alive),
                "held": sum(len(record.held) for record in alive),
            },
            "unmet_demand": await self._unmet_demand(),
            "index": self._index_figures(),
        }


def _numbers(pairs: list[bytes], names: tuple[str, ...]) -> dict[str, int]:
    found = {pairs[i].decode(): int(pairs[i + 1]) for i in range(0, len(pairs), 2)}
    return {name: found.get(name, 0) for name in names}
