"""Lists longer than Lua's stack takes at once, and what must not be lost or half written because of them."""

from __future__ import annotations

import asyncio

from empq.errors import Unavailable
from empq.store.record import JobRecord
from empq.store.store import NewJob, Shape, Store
from tests.support import jobs
from tests.support.clock import pass_lease_time, pass_time


def new_job(name: str, depends_on: list[str]) -> NewJob:
    fields = {"customer": "acme", "service": "comfyui", "shape": jobs.BASE}
    return NewJob(name, JobRecord(**fields), depends_on, 0)  # pyright: ignore[reportArgumentType]


async def submit_at_once(store: Store, *new: NewJob) -> None:
    results = await asyncio.gather(
        *(
            store.submit.add((job, Shape(jobs.BASE, "{}")), b'0000000200000001{}{,"payload":1}')
            for job in new
        )
    )
    assert {result[0] for result in results} == {"ok"}


async def test_more_dependencies_than_the_stack_takes(store: Store) -> None:
    first = [f"d{number:05d}" for number in range(9000)]
    await submit_at_once(store, *(new_job(name, []) for name in first))

    waiting = [new_job(f"w{start}", first[start : start + 1000]) for start in range(0, 9000, 1000)]
    await submit_at_once(store, *waiting)

    assert (await jobs.record(store, "w8000")).waiting == 1000
    assert (await jobs.record(store, "d08999")).dependants == 1


async def test_a_worker_that_holds_thousands_can_be_lost(store: Store) -> None:
    names = [f"j{number:05d}" for number in range(8500)]
    await submit_at_once(store, *(new_job(name, []) for name in names))
    await jobs.register(store, slots=10_000)
    held = await asyncio.gather(*(jobs.claim(store, "w1", 500) for _ in range(17)))
    assert sum(map(len, held)) == 8500

    await store.calls.run("leave_worker", ["w1", ""])

    assert await store.command("ZCARD", f"empq:{{p0}}:lane:{jobs.LANE}") == 8500


async def test_what_cannot_be_packed_leaves_nobody_waiting(store: Store) -> None:
    good, bad = ["j", "w1", 1, ""], ["j", "w1", 2**70, ""]
    results = await asyncio.wait_for(
        asyncio.gather(store.accept.add(good), store.accept.add(bad), return_exceptions=True), 30
    )
    assert [type(result) for result in results] == [Unavailable, Unavailable]


async def test_a_dependency_is_not_forgotten_before_its_dependants_know(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a", keep_completed_ms=0)
    await jobs.submit(store, "after-a", depends_on=("a",))
    await jobs.claim(store)
    await store.complete.add([*await jobs.token(store, "a"), "d", []], b"1")
    await pass_time(store, 1000)

    assert (await store.calls.run("forget_jobs", [[], 10]))[1] == [["unsettled"]]
    await store.calls.run("settle_dependants", [10])
    assert (await store.calls.run("forget_jobs", [[], 10]))[1] == [["ok", "a"]]

    assert (await jobs.record(store, "after-a")).state == "queued"


async def test_a_clock_put_back_strands_no_dependant(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a")
    await jobs.submit(store, "later", depends_on=("a",), delay_ms=1000)
    await pass_time(store, 2000)
    await store.calls.run("promote_due_jobs", [10])
    await pass_time(store, -5000)
    await jobs.claim(store)
    await store.complete.add([*await jobs.token(store, "a"), "d", []], b"1")
    await store.calls.run("settle_dependants", [10])

    await pass_time(store, 9000)
    await store.calls.run("promote_due_jobs", [10])

    assert (await jobs.record(store, "later")).state == "queued"


async def test_the_slot_of_a_cancelled_job_that_is_forgotten_is_freed(store: Store) -> None:
    await jobs.register(store, slots=1)
    await jobs.submit(store, "j", "k", keep_failed_ms=0)
    await jobs.claim(store)
    await store.cancel.add(["j", "why"])
    await pass_time(store, 100)
    assert (await store.calls.run("forget_jobs", [[], 10]))[1] == [["ok", "j"]]

    for second in range(31):
        assert second > 28 or await jobs.claim(store) == []
        await pass_lease_time(store, 1000)
        await store.heartbeat.add(["w1", "", [["j", 1]], ""])

    assert [row[0] for row in await jobs.claim(store)] == ["k"]


async def test_claims_for_thousands_at_once(store: Store) -> None:
    names = [f"j{number:05d}" for number in range(9000)]
    await submit_at_once(store, *(new_job(name, []) for name in names))
    await jobs.register(store, slots=10_000)

    given = await asyncio.gather(*(jobs.claim(store, "w1", 256) for _ in range(40)))

    assert sorted(row[0] for rows in given for row in rows) == names
    assert all(row[4] for rows in given for row in rows)
