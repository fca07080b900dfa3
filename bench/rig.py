"""What the benchmarks share: processes and their CPU, bare scripts on the same Redis, spreads of figures."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
import redis
from msgspec import Raw

from empq.model.envelope import AssignmentHead, Details, seal
from empq.settings import Settings
from empq.store.keys import key
from empq.store.record import JobRecord
from empq.store.store import NewJob, Shape, Store
from tests.support.processes import Hub, Program
from tests.support.redis_server import RedisServer

BASE = "b" * 22
PAYLOAD = b'{"prompt":"' + b"a cat on a sofa, " * 20 + b'","steps":0}'
POLL_SECONDS = 0.005
_ids = itertools.count()


class Rig:
    """A hub on a Valkey, with what is needed to measure beside it."""

    def __init__(self, server: RedisServer, hub: Hub, folder: Path) -> None:
        self.server, self.hub, self.folder = server, hub, folder
        self._redis = redis.Redis(unix_socket_path=str(server.socket))

    def close(self) -> None:
        """Ends its own connection."""
        self._redis.close()

    def completed(self) -> int:
        """Jobs that have ever been completed on this data set; read beside the hub, which is what is measured."""
        return int(self._redis.hget(key("totals"), "completed") or 0)

    def submit(self, count: int, service: str) -> None:
        """Submits no-op jobs of one lane, 1,000 a call."""
        body = job_body(service)
        for start in range(0, count, 1000):
            jobs = b",".join([body] * min(1000, count - start))
            answer = self.hub.http("POST", "/api/jobs/batch", b'{"jobs":[' + jobs + b"]}")
            assert answer.status == 201, answer

    def until_completed(self, wanted: int) -> None:
        """Returns when this many jobs have been completed, to a few milliseconds."""
        deadline = time.monotonic() + 120
        while self.completed() < wanted:
            assert time.monotonic() < deadline, "the queue does not drain"
            time.sleep(POLL_SECONDS)

    def bare(self, work: Callable[[Store], Awaitable[Any]]) -> float:
        """Seconds that `work` takes on the bare scripts, on a data set of its own on the same server."""

        async def run() -> float:
            store = Store(Settings(redis_url=self.server.url + "?db=1"))
            await store.open()
            store.claim.applied = 2**52
            await store.command("FLUSHDB")
            await store.close()
            store = Store(Settings(redis_url=self.server.url + "?db=1"))
            await store.open()
            store.claim.applied = 2**52
            begun = time.perf_counter()
            await work(store)
            seconds = time.perf_counter() - begun
            await store.command("FLUSHDB")
            await store.close()
            return seconds

        return asyncio.run(run())


def job_body(service: str) -> bytes:
    """A job of about 400 bytes."""
    return b'{"type":"bench","payload":%b,"requirements":{"service_type":"%b"}}' % (
        PAYLOAD,
        service.encode(),
    )


def record() -> JobRecord:
    return JobRecord(
        type="bench", service="bench", shape=BASE, timeout_ms=60_000, accept_ms=30_000, delays_ms=[5000],
        keep_completed_ms=86_400_000, keep_failed_ms=86_400_000,
    )  # fmt: skip


ENVELOPE = seal(
    Details(),
    AssignmentHead("bench", None, {}, Raw(b'{"service_type":"bench"}'), 1800, 30_000, None),
    PAYLOAD,
)


async def submit_bare(store: Store, count: int, size: int = 256) -> None:
    """The submit script alone, `size` jobs a call."""
    for start in range(0, count, size):
        items = [
            NewJob(f"bench-{next(_ids)}", record(), [], 0) for _ in range(min(size, count - start))
        ]
        args = [items, [Shape(BASE, "{}")], 0, "", "", [], 0]
        await store.calls.run("submit_jobs", args, [ENVELOPE] * len(items))


async def drain_bare(store: Store, count: int, size: int = 64) -> None:
    """Claim and complete, `size` jobs a call, as the shipped worker sends them."""
    await store.calls.run("register_worker", ["w", "s", 2 * size, [], 0, "{}", []])
    done = 0
    while done < count:
        given = (
            await store.claim.add(
                ["w", "", 1, size, f"c{done}", f"seed{done}", [BASE + ":"], [], 2**53]
            )
        )[1]
        items = [
            [job_id, "w", attempt, lease, "digest", []] for job_id, attempt, lease, *_ in given
        ]
        await asyncio.gather(*(store.complete.add(item, b'{"steps":0}') for item in items))
        done += len(given)


def cpu_seconds(program: Program | int) -> float:
    """User and system time of a program and its children so far."""
    if isinstance(program, int):
        processes: Iterable[psutil.Process] = [psutil.Process(program)]
    else:
        processes = program.family()
    return sum(times.user + times.system for times in (one.cpu_times() for one in processes))


def spread(values: Sequence[float], unit: str = "", digits: int = 0) -> str:
    """min / median / max."""
    parts = (min(values), statistics.median(values), max(values))
    return " / ".join(f"{part:,.{digits}f}" for part in parts) + (f" {unit}" if unit else "")


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
