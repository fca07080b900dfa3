"""What every hub does again and again: one pass each, a bounded number of jobs, judged again inside the scripts."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from empq.store.keys import key
from empq.store.store import Store

LIMIT = 256
MOST_LOG_BYTES = 64 * 1024 * 1024


class LeaseReaper:
    """Lost workers, accept and run time-outs, deadlines, unanswered cancellations; moves the lease clock on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run_once(self) -> int:
        """How many workers and jobs expired."""
        _, (lost,) = await self._store.calls.run("expire_sessions", [LIMIT])
        _, (expired,) = await self._store.calls.run("expire_jobs", [LIMIT, random.randrange(2**31)])
        return lost + expired


class DuePromoter:
    """Delayed jobs and retries whose time has come."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run_once(self) -> int:
        """How many jobs were queued."""
        return (await self._store.calls.run("promote_due_jobs", [LIMIT]))[1][0]


class DependantSettler:
    """Jobs that waited for others that have ended."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run_once(self) -> int:
        """LIMIT while there is more to settle, else how many were settled."""
        settled, more = (await self._store.calls.run("settle_dependants", [LIMIT]))[1]
        return LIMIT if more else settled


class RetentionJanitor:
    """Ended jobs whose keep time has passed; `on_forgotten` removes what is not in Redis."""

    def __init__(self, store: Store, on_forgotten: Callable[[str], Awaitable[None]]) -> None:
        self._store, self._on_forgotten = store, on_forgotten

    async def run_once(self) -> int:
        """How many jobs were deleted."""
        results = (await self._store.calls.run("forget_jobs", [[], LIMIT]))[1]
        gone = [result[1] for result in results if result[0] == "ok"]
        for job_id in gone:
            await self._on_forgotten(job_id)
        return len(gone)


class LogTrimmer:
    """Keeps the event log within its bytes; the script that appends bounds its entries. A hub that is too far behind rebuilds."""

    def __init__(self, store: Store, most_bytes: int = MOST_LOG_BYTES) -> None:
        self._store, self._most_bytes = store, most_bytes

    async def run_once(self) -> int:
        """How many entries were dropped."""
        size = await self._store.command("MEMORY", "USAGE", key("events"))
        if not size or size <= self._most_bytes:
            return 0
        length = await self._store.command("XLEN", key("events"))
        kept = length * self._most_bytes // (2 * size)
        return await self._store.command("XTRIM", key("events"), "MAXLEN", kept)
