"""Anything at any time, two hubs, one of them killed and restarted: every promise is kept and the data fits together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from empq.settings import Settings
from empq.store.store import Store
from tests.support.end_listener import Listener
from tests.support.invariants import broken
from tests.support.live import MakesHub
from tests.support.processes import Hub
from tests.support.random_history import Actor, Client, Promises, SocketWorker, Worker
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually

LEASE_SECONDS = 1


def inconsistencies(redis: RedisServer) -> list[str]:
    async def look() -> list[str]:
        store = Store(Settings(redis_url=redis.url))
        await store.open()
        try:
            return await broken(store)
        finally:
            await store.close()

    return asyncio.run(look())


def becomes_consistent(redis: RedisServer) -> None:
    """Nobody calls any more; the hubs' own passes may still be under way."""
    last: list[str] = []

    def is_consistent() -> bool:
        last[:] = inconsistencies(redis)
        return not last

    try:
        eventually(is_consistent, "the data fits together", 10)
    except AssertionError as error:
        raise AssertionError("\n".join(last[:40])) from error


def index_follows(hub: Hub) -> bool:
    """The index holds what Redis counts as queued."""
    stats = hub.http.get("/api/stats")
    return stats["index"]["jobs"] == stats["jobs"]["queued"]


def wrong_jobs(hub: Hub, promises: Promises) -> list[str]:
    """Acknowledged jobs that are lost, have not ended once, or have another result than was taken."""
    wrong = [
        f"{job} ended {promises.ends[job]} times"
        for job in promises.jobs
        if promises.ends[job] != 1
    ]
    for job_id in promises.jobs:
        answer = hub.http("GET", f"/api/jobs/{job_id}")
        taken = promises.completed.get(job_id, set())
        if answer.status == 404:
            continue
        job: Any = answer.json
        attempts = [one["attempt"] for one in job["attempts"]]
        if attempts != list(range(1, job["attempt"] + 1)):
            wrong.append(f"{job_id}: attempts {attempts}")
        if not set(promises.given[job_id]) <= set(attempts) or len(
            set(promises.given[job_id])
        ) != len(promises.given[job_id]):
            wrong.append(f"{job_id}: attempts {attempts}, given out {promises.given[job_id]}")
        if job["status"] == "completed" and (taken and taken != {job["result"]}):
            wrong.append(f"{job_id}: {job['result']!r} is its result, taken were {taken}")
        if taken and job["status"] not in ("completed", "cancelled"):
            wrong.append(f"{job_id}: {taken} was taken, it is {job['status']}")
    return wrong


@contextmanager
def running(actors: list[Actor], steps: int) -> Iterator[None]:
    threads = [threading.Thread(target=actor.run, args=(steps,)) for actor in actors]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def drain(hub: Hub, promises: Promises, seed: str) -> None:
    """Two workers without faults, until nothing is left to do."""

    class Honest(Worker):
        steps_of_fault = False

        def report(self) -> None:
            for job in list(self.held.values()):
                self.say("complete", job)

    workers = [
        Honest([hub], promises, f"honest-{seed}-{number}", LEASE_SECONDS) for number in (1, 2)
    ]

    def nothing_left() -> bool:
        for worker in workers:
            worker.claim()
            worker.report()
            worker.heartbeat()
        jobs = hub.http.get("/api/stats")["jobs"]
        return not any(
            jobs[state] for state in ("pending", "queued", "assigned", "accepted", "in_progress")
        )

    eventually(nothing_left, "all jobs have ended", 120)


@pytest.mark.parametrize("seed", ["one"])
def test_every_promise_is_kept(
    make_hub: MakesHub, own_redis: RedisServer, seed: str, steps: int = 60
) -> None:
    lease = {"EMPQ_LEASE_SECONDS": str(LEASE_SECONDS)}
    hubs = [make_hub(name="hub-a", **lease), make_hub(name="hub-b", **lease)]
    promises = Promises()
    listener = Listener(hubs[0], promises)
    actors: list[Actor] = [Client(hubs, promises, f"client-{seed}-{n}") for n in range(2)]
    actors += [Worker(hubs, promises, f"worker-{seed}-{n}", LEASE_SECONDS) for n in range(3)]
    actors += [SocketWorker(hubs, promises, f"socket-{seed}-{n}", LEASE_SECONDS) for n in range(2)]

    for _ in range(2):
        with running(actors, steps):
            hubs[1].kill()
            hubs[1].start()
        becomes_consistent(own_redis)
        for hub in hubs:
            eventually(lambda hub=hub: index_follows(hub), f"{hub.name}'s index is true")
    drain(hubs[0], promises, seed)

    eventually(lambda: all(promises.ends[job] for job in promises.jobs), "all ends are told", 10)
    becomes_consistent(own_redis)
    assert wrong_jobs(hubs[0], promises) == []
    assert promises.wrong == []
    assert all("Traceback" not in hub.text for hub in hubs)
    listener.close()
