"""How long a hub takes from its start to ready: `python -m bench.ready --jobs 1000000 --lanes 1000`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bench.rig import ENVELOPE, record
from empq.model.requirements import job_shape
from empq.settings import Settings
from empq.store.store import NewJob, Shape, Store
from tests.support.processes import Hub
from tests.support.redis_server import RedisServer

CALL = 256


async def fill(url: str, jobs: int, lanes: int) -> None:
    """Queues no-op jobs over so many customers' lanes, by the submit script alone."""
    store = Store(Settings(redis_url=url))
    await store.open()
    _, shape = job_shape(b'{"service_type":"bench"}', "bench", None, "")
    known = [Shape(shape.base, shape.document.decode())]
    base = record()
    for start in range(0, jobs, CALL):
        items: list[NewJob] = []
        for number in range(start, min(jobs, start + CALL)):
            job = type(base)(**{name: getattr(base, name) for name in base.__struct_fields__})
            job.shape, job.customer = shape.base, f"customer-{number % lanes}"
            items.append(NewJob(f"job-{number}", job, [], 0))
        args = [items, known, 0, "", "", [], 0]
        await store.calls.run("submit_jobs", args, [ENVELOPE] * len(items))
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--lanes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server = RedisServer("--maxmemory", "8gb", "--appendonly", "no").start()
    hub = Hub(server.url, Path(tempfile.mkdtemp()))
    try:
        hub.start()
        empty = []
        for _ in range(options.rounds):
            hub.stop()
            begun = time.perf_counter()
            hub.start()
            empty.append(time.perf_counter() - begun)
        hub.stop()
        asyncio.run(fill(server.url, options.jobs, options.lanes))
        taken = []
        for _ in range(options.rounds):
            begun = time.perf_counter()
            hub.start()
            taken.append(time.perf_counter() - begun)
            assert hub.http.get("/api/stats")["index"]["jobs"] == options.jobs
            hub.stop()
        spread = " / ".join(f"{seconds:.2f}" for seconds in sorted(taken))
        bare = " / ".join(f"{seconds:.2f}" for seconds in sorted(empty))
        print(
            f"{options.jobs:,} jobs in {options.lanes:,} lanes: ready after {spread} s; with none {bare} s"
        )
    finally:
        hub.kill()
        server.stop()


if __name__ == "__main__":
    main()
