"""What waits for a worker that there is none of: asked of the index when somebody looks, put into words a shape at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from empq.broker.facts import worker_facts
from empq.broker.index_keeper import IndexKeeper
from empq.matching.unmet_demand import UnmetShape, told, unmet_shapes
from empq.queue.waits import oldest_wait
from empq.store.keys import key
from empq.store.store import Store

KEPT_SECONDS = 1.0
LISTED_SHAPES, LOOKED_AT_LANES = 20, 20


class UnmetDemand:
    """`now` is the whole face; those who ask within a second share an answer."""

    def __init__(self, store: Store, keeper: IndexKeeper) -> None:
        self._store, self._keeper = store, keeper
        self._answer: asyncio.Task[dict[str, Any]] | None = None
        self._asked_at = 0.0

    async def now(self) -> dict[str, Any]:
        """{total, jobs, shapes}: how many shapes and jobs nobody alive can ever serve, and the shapes with the most jobs.

        shapes: matching/unmet_demand.py:told, with oldest_wait_seconds.
        """
        loop = asyncio.get_running_loop()
        if (
            self._answer is None
            or loop.time() > self._asked_at + KEPT_SECONDS
            or _failed(self._answer)
        ):
            self._asked_at = loop.time()
            self._answer = loop.create_task(self._look())
        return await asyncio.shield(self._answer)

    async def _look(self) -> dict[str, Any]:
        shapes = unmet_shapes(self._keeper.matcher.unserved())
        listed = shapes[:LISTED_SHAPES]
        facts = await worker_facts(self._store, await self._store.worker_ids()) if listed else {}
        documents = await self._store.shapes([shape.base for shape in listed])
        rows: list[dict[str, Any]] = []
        for shape in listed:
            if shape.base in documents:
                row = told(shape, documents[shape.base], self._keeper.matcher.explain, facts)
                rows.append({**row, "oldest_wait_seconds": await self._oldest(shape)})
                await asyncio.sleep(0)  # others' turn
        return {"total": len(shapes), "jobs": sum(shape.jobs for shape in shapes), "shapes": rows}

    async def _oldest(self, shape: UnmetShape) -> float | None:
        lanes = [key("lane", lane) for lane in shape.lanes[:LOOKED_AT_LANES]]
        return await oldest_wait(self._store, lanes)


def _failed(task: asyncio.Task[dict[str, Any]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
