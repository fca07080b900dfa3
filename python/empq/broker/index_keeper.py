"""Keeps the matcher true: own replies at once, the log of everybody, rebuilt from Redis where there is a gap."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from empq.broker.guarded_matcher import GuardedMatcher
from empq.errors import EmpqError, NotReady
from empq.matching.interface import Applied, Matcher
from empq.model.capabilities import decode_capabilities
from empq.store.calls import decode
from empq.store.keys import key
from empq.store.record import WorkerRecord, encode
from empq.store.store import Store

logger = logging.getLogger(__name__)

PAGE = 500
MOVE_SECONDS = 0.25


class IndexKeeper:
    """`on_grown` hears of lanes that gained jobs, `on_lost` that the matcher failed and a rebuild is needed."""

    def __init__(self, store: Store, make_matcher: Callable[[], Matcher]) -> None:
        self._store, self.matcher = store, GuardedMatcher(make_matcher)
        self.matcher.on_replaced = self._forget
        self.on_lost: Callable[[], None] = lambda: None
        self._bases: set[str] = set()
        self._versions: dict[str, int] = {}
        self._fetching: set[asyncio.Task[None]] = set()
        self.on_grown: Callable[[Sequence[str]], None] = lambda lanes: None
        self._waiters: list[asyncio.Future[None]] = []
        self.rebuilds = 0

    @property
    def applied(self) -> int:
        """The last entry up to which all are applied (replies applied ahead do not count)."""
        return self._store.claim.applied

    def _forget(self) -> None:
        self._bases.clear()
        self._versions.clear()
        self.on_lost()

    def know_shape(self, base: str, document: bytes) -> None:
        """Makes a shape known; cheap where it is already."""
        if base not in self._bases:
            self.matcher.add_shape(base, document)
            self._bases.add(base)

    def know_worker(self, worker_id: str, version: int, document: bytes) -> None:
        """Makes a worker's capabilities known."""
        self._versions[worker_id] = version
        self.matcher.set_worker(worker_id, version, document)

    def know_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        """Makes a worker's load known, each 0..100."""
        self.matcher.set_load(worker_id, cpu_percent, memory_percent, gpu_percent)

    def version_of(self, worker_id: str) -> int:
        """The version of the capabilities that the matcher uses; 0 where it knows none."""
        return self._versions.get(worker_id, 0)

    async def refresh_worker(self, worker_id: str) -> None:
        """Reads a worker's capabilities: a claim was told that the ones known here are old."""
        await self._learn_workers([worker_id])

    async def moved_on(self) -> None:
        """Waits until the log has been followed further, a lease's fraction at most."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await asyncio.wait([waiter], timeout=MOVE_SECONDS)

    def apply_reply(self, part: bytes) -> None:
        """The index part of this hub's own write, before anybody is answered."""
        with contextlib.suppress(NotReady):  # what was written stands; a rebuild will find it
            self._handle(self.matcher.apply([part]))

    def apply_log(self, parts: Sequence[bytes], number: int) -> None:
        """Index parts in the log's order, up to entry `number`."""
        applied = self.matcher.apply(parts)
        self._store.claim.applied = number
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._handle(applied)

    def _handle(self, applied: Applied) -> None:
        if applied.missing_shapes or applied.stale_workers:
            task = asyncio.get_running_loop().create_task(
                self._fetch(applied.missing_shapes, applied.stale_workers, applied.grown)
            )
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        if applied.grown:
            self.on_grown(applied.grown)

    async def _fetch(self, bases: list[str], workers: list[str], grown: Sequence[str]) -> None:
        try:
            await self._learn_shapes(bases)
            await self._learn_workers(workers)
        except EmpqError as error:
            logger.warning("index: shapes or workers could not be read: %s", error)
            return
        self.on_grown(grown)

    async def _learn_shapes(self, bases: Sequence[str]) -> None:
        for start in range(0, len(bases), PAGE):
            for base, document in (await self._store.shapes(bases[start : start + PAGE])).items():
                self.know_shape(base, document)

    async def _learn_workers(self, worker_ids: Sequence[str]) -> None:
        found = await self._store.workers(worker_ids)
        for worker_id, (record, sent, _) in zip(worker_ids, found, strict=True):
            if (
                record is not None
                and sent is not None
                and self._versions.get(worker_id, -1) < record.version
            ):
                self.know_worker(worker_id, record.version, decode_capabilities(sent).document())

    def figures(self) -> dict[str, int]:
        """Sizes of the index, for statistics."""
        return self.matcher.figures()._asdict()

    async def rebuild(self) -> int:
        """Throws the index away and reads it anew; the number of the entry from which the log goes on."""
        number = int(await self._store.command("HGET", key("dataset"), "number") or 0)
        self.matcher.reset()
        parts = await self._store.lane_pages()
        bases: set[str] = set()
        customers: set[str] = set()
        for part in parts:
            bases.update(self.matcher.apply([part]).missing_shapes)
            customers.update(lane.partition(":")[2] for lane, *_ in decode(part)[1])
        await self._learn_shapes(sorted(bases - self._bases))
        worker_ids = await self._store.worker_ids()
        for start in range(0, len(worker_ids), PAGE):
            await self._read_workers(worker_ids[start : start + PAGE], number)
        await self._read_limits(customers, number)
        self._store.claim.applied = number
        self.rebuilds += 1
        return number

    async def _read_limits(self, with_jobs: set[str], number: int) -> None:
        """Pauses, and customers that have jobs or settings."""
        kept = [msgspec.json.decode(pause) for pause in (await self._store.pauses()).values()]
        pauses = [[pause["scope"], pause["name"]] for pause in kept]
        told = {name.decode() for name in await self._store.command("SMEMBERS", key("customers"))}
        rows: list[Any] = []
        names = sorted(with_jobs | told)
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            for name, customer in zip(page, await self._store.customers(page), strict=True):
                rows.append(
                    [
                        name,
                        customer.weight,
                        customer.max_active,
                        customer.active,
                        customer.virtual_time,
                    ]
                )
        self.matcher.apply([encode([number, [], [], pauses, rows])])

    async def _read_workers(self, worker_ids: Sequence[str], number: int) -> None:
        found = await self._store.workers(worker_ids)
        rows: list[Any] = []
        for worker_id, (record, sent, _) in zip(worker_ids, found, strict=True):
            if record is not None and sent is not None:
                self.know_worker(worker_id, record.version, decode_capabilities(sent).document())
                rows.append(_index_row(worker_id, record))
        self.matcher.apply([encode([number, [], rows])])


def _index_row(worker_id: str, record: WorkerRecord) -> list[Any]:
    held: Iterable[Any] = ([job.customer, job.service, job.strict] for job in record.held)
    return [worker_id, record.version, record.state, record.idle_since, list(held)]
