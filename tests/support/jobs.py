"""Jobs and workers for store tests, with readable defaults."""

from __future__ import annotations

import itertools
from typing import Any

from empq.store.record import JobRecord
from empq.store.store import NewJob, Shape, Store

BASE = "B" * 22
LANE = BASE + ":acme"
_numbers = itertools.count()


async def submit(
    store: Store, *names: str, depends_on: tuple[str, ...] = (), delay_ms: int = 0, **fields: Any
) -> None:
    """Stores jobs under these ids; raises where one is refused."""
    for name in names:
        await is_kept(store, name, depends_on=depends_on, delay_ms=delay_ms, **fields)


async def is_kept(
    store: Store, name: str, depends_on: tuple[str, ...] = (), delay_ms: int = 0, **fields: Any
) -> bool:
    """Stores a job; whether it is as safe as the store's durability asks for."""
    values: dict[str, Any] = {
        "type": "render", "customer": "acme", "service": "comfyui", "shape": BASE, "timeout_ms": 60_000,
        "accept_ms": 10_000, "delays_ms": [5000], "keep_completed_ms": 60_000, "keep_failed_ms": 60_000, **fields,
    }  # fmt: skip
    job = NewJob(name, JobRecord(**values), list(depends_on), delay_ms)
    result = await store.submit.add((job, Shape(BASE, "{}")), b'0000000200000001{}{,"payload":1}')
    assert result[0] == "ok", result
    return result[-1] is not False


async def register(store: Store, worker: str = "w1", slots: int = 4, **limits: Any) -> int:
    """Registers a worker; its capabilities' version."""
    args = [
        worker,
        f"{worker}-session",
        slots,
        limits.get("capacity", []),
        limits.get("max_customers", 0),
        "{}",
        [],
    ]
    return (await store.calls.run("register_worker", args))[1][0]


async def claim(
    store: Store, worker: str = "w1", most: int = 1, *lanes: str, claim_id: str = ""
) -> list[list[Any]]:
    """What the worker is given from the lanes: [id, attempt, lease, priority, envelope] each."""
    seed = f"seed-{next(_numbers)}"
    result = await store.claim.add(
        [worker, "", 1, most, claim_id, seed, list(lanes or (LANE,)), [], 2**53]
    )
    assert result[0] == "ok", result
    return result[1]


async def token(store: Store, job_id: str) -> list[Any]:
    """[id, worker, attempt, lease] of the job's current attempt."""
    job = await record(store, job_id)
    return [job_id, job.worker, job.attempt, job.lease]


async def record(store: Store, job_id: str) -> JobRecord:
    """The job's record, which must exist."""
    found = (await store.jobs([job_id]))[0]
    assert found is not None, f"no job {job_id}"
    return found


async def everything(store: Store) -> dict[bytes, bytes]:
    """Every key but the data set's own record (clock and number), dumped."""
    keys = sorted(await store.command("KEYS", "*"))
    kept = [key for key in keys if not key.endswith(b"}:dataset")]
    return {key: await store.command("DUMP", key) for key in kept}
