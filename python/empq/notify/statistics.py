"""Figures of the whole data set, read from the counters that the scripts keep."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from empq.model.lifecycle import STATES
from empq.store.keys import key
from empq.store.store import Store


class Statistics:
    """Counts by status, totals, workers, and this hub's index."""

    def __init__(self, store: Store, index_figures: Callable[[], dict[str, int]]) -> None:
        self._store, self._index_figures = store, index_figures

    async def counts(self) -> dict[str, int]:
        """status -> stored jobs."""
        return _numbers(await self._store.command("HGETALL", key("counts")), STATES)

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
            "index": self._index_figures(),
        }


def _numbers(pairs: list[bytes], names: tuple[str, ...]) -> dict[str, int]:
    found = {pairs[i].decode(): int(pairs[i + 1]) for i in range(0, len(pairs), 2)}
    return {name: found.get(name, 0) for name in names}
