"""Order in lanes, sequences, positions, and what a claim gives."""

from __future__ import annotations

import pytest

from empq.errors import NotReady
from empq.store.keys import key
from empq.store.store import Store
from tests.support import jobs
from tests.support.clock import pass_time, stop_time


async def test_priority_first_then_first_in(store: Store) -> None:
    await jobs.register(store, slots=9)
    for name, priority in (("a", 50), ("b", 90), ("c", 50), ("d", 0), ("e", 90), ("f", 100)):
        await jobs.submit(store, name, priority=priority)

    given = await jobs.claim(store, "w1", 9)

    assert [row[0] for row in given] == ["f", "b", "e", "a", "c", "d"]


async def test_the_best_head_of_several_lanes_wins(store: Store) -> None:
    await jobs.register(store, slots=9)
    await jobs.submit(store, "a")
    await jobs.submit(store, "b", customer="zeta")
    await jobs.submit(store, "c")

    given = await jobs.claim(store, "w1", 3, jobs.LANE, jobs.BASE + ":zeta")

    assert [row[0] for row in given] == ["a", "b", "c"]


async def test_a_workflow_keeps_the_place_of_its_first_job(store: Store) -> None:
    await jobs.register(store, slots=9)
    await jobs.submit(store, "a", workflow="flow")
    await jobs.submit(store, "b")
    await jobs.submit(store, "c", workflow="flow")

    given = await jobs.claim(store, "w1", 9)

    assert [row[0] for row in given] == ["a", "c", "b"]


async def test_a_job_keeps_its_place_through_release_and_another_priority(store: Store) -> None:
    await jobs.register(store, slots=9)
    await jobs.submit(store, "a", "b")
    await jobs.claim(store)
    await store.release.add([*await jobs.token(store, "a"), ""])
    await store.reprioritise.add(["b", 90])
    await store.reprioritise.add(["b", 50])

    assert [row[0] for row in await jobs.claim(store, "w1", 2)] == ["a", "b"]


async def test_slots_capacity_and_customers_bound_what_is_given(store: Store) -> None:
    await jobs.register(store, slots=2)
    await jobs.register(store, "w2", 9, capacity=[["comfyui", 1]])
    await jobs.register(store, "w3", 9, max_customers=1)
    await jobs.submit(store, "a", "b", "c", "d", "e", "f")
    await jobs.submit(store, "z", customer="zeta")

    assert len(await jobs.claim(store, "w1", 9)) == 2
    assert len(await jobs.claim(store, "w2", 9)) == 1
    given = await jobs.claim(store, "w3", 9, jobs.BASE + ":zeta", jobs.LANE)
    assert [row[0] for row in given] == ["d", "e", "f"]


async def test_a_strict_job_is_alone_with_its_customer(store: Store) -> None:
    await jobs.register(store, slots=9)
    await jobs.submit(store, "a", strict=1)
    await jobs.submit(store, "b", customer="zeta")
    await jobs.submit(store, "c")

    given = await jobs.claim(store, "w1", 9, jobs.LANE, jobs.BASE + ":zeta")

    assert [row[0] for row in given] == ["a", "c"]


async def test_the_same_claim_id_gives_the_same_jobs_while_they_are_assigned(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a", "b", "c")

    first = await jobs.claim(store, "w1", 2, claim_id="one")
    assert await jobs.claim(store, "w1", 2, claim_id="one") == first
    await store.complete.add([*await jobs.token(store, "a"), "d", []], b"1")

    assert [row[0] for row in await jobs.claim(store, "w1", 2, claim_id="one")] == ["b"]
    assert (await jobs.record(store, "c")).state == "queued"


async def test_positions_count_the_jobs_before_in_one_call_and_over_calls(store: Store) -> None:
    await jobs.submit(store, "a")
    results = []
    for name, priority in (("b", 50), ("c", 60), ("d", 50)):
        await jobs.submit(store, name, priority=priority)
        member = f"{(await jobs.record(store, name)).sequence:016x}{name}"
        results.append(await store.command("ZRANK", key("line", "comfyui"), member))
    assert results == [1, 0, 3]


async def test_a_claim_by_capabilities_that_have_changed_gets_nothing(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await store.calls.run("patch_worker", ["w1", 1, 4, [], 0, "{}"])

    result = await store.claim.add(["w1", "", 1, 1, "", "seed", [jobs.LANE], [], 2**53])

    assert result == ["stale_worker"]
    assert (await jobs.record(store, "j")).state == "queued"


async def test_an_index_that_has_not_heard_of_a_change_for_250_ms_gives_nothing(
    store: Store,
) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j", "k")
    await stop_time(store)
    store.claim.applied = int(await store.command("HGET", key("dataset"), "number"))
    await jobs.submit(store, "l")
    await pass_time(store, 250)
    assert [row[0] for row in await jobs.claim(store)] == ["j"]

    await pass_time(store, 1)
    with pytest.raises(NotReady, match="behind"):
        await jobs.claim(store)
    assert (await jobs.record(store, "k")).state == "queued"


async def test_two_claims_of_one_tick_get_two_jobs(store: Store) -> None:
    import asyncio

    await jobs.register(store)
    await jobs.register(store, "w2")
    await jobs.submit(store, "a", "b")

    given = await asyncio.gather(jobs.claim(store), jobs.claim(store, "w2"))

    assert sorted(row[0] for rows in given for row in rows) == ["a", "b"]


async def test_a_worse_job_is_not_given_while_a_lane_that_was_not_offered_has_a_better_one(
    store: Store,
) -> None:
    """Another hub took the head that was proposed; the next of its lane comes after that of another lane."""
    await jobs.register(store, slots=9)
    await jobs.submit(store, "first")
    await jobs.submit(store, "second", customer="other")
    await jobs.submit(store, "third")
    lane = key("lane", jobs.BASE + ":other")
    _, rank = await store.command("ZRANGE", lane, 0, 0, "WITHSCORES")
    told: list[bytes] = []
    store.calls.on_entry = told.append

    def item(most: int) -> list[object]:
        return ["w1", "", 1, most, "", "seed", [jobs.LANE], [], int(rank)]

    assert [row[0] for row in (await store.claim.add(item(2)))[1]] == ["first"]
    assert (await store.claim.add(item(1)))[1] == []
    assert jobs.LANE.encode() in told[-1]  # what the hub's index takes this lane for is put right
    assert [
        row[0] for row in await jobs.claim(store, "w1", 2, jobs.LANE, jobs.BASE + ":other")
    ] == [
        "second",
        "third",
    ]
