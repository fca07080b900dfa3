"""Repeated and late calls: the same answer, or nothing changes."""

from __future__ import annotations

from empq.store.store import Store
from tests.support import jobs
from tests.support.clock import pass_lease_time, pass_time, stop_time


async def lost(store: Store, max_retries: int = 3) -> list[object]:
    """Job "j" was lost by w1; w1's token."""
    await jobs.register(store)
    await jobs.submit(store, "j", max_retries=max_retries)
    await jobs.claim(store)
    item = await jobs.token(store, "j")
    for _ in range(2):
        await store.heartbeat.add(["w1", "", [], ""])
        await pass_time(store, 300)
    assert (await jobs.record(store, "j")).outcome == "lost"
    return item


async def test_a_complete_is_taken_once_and_its_repeat_acked(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await jobs.claim(store)
    item = await jobs.token(store, "j")

    assert (await store.complete.add([*item, "digest", []], b"1"))[0] == "ok"
    before = await jobs.everything(store)

    assert (await store.complete.add([*item, "digest", []], b"1"))[0] == "ok"
    assert (await store.complete.add([*item, "another", []], b"2"))[0] == "stale_attempt"
    assert await jobs.everything(store) == before


async def test_a_late_result_counts_while_nobody_else_has_begun(store: Store) -> None:
    item = await lost(store)

    assert (await store.complete.add([*item, "digest", []], b"1"))[0] == "ok"

    record = await jobs.record(store, "j")
    assert (record.state, record.attempt, record.has_result) == ("completed", 1, 1)
    assert await jobs.claim(store) == []


async def test_a_late_result_after_another_claim_is_stale(store: Store) -> None:
    item = await lost(store)
    await jobs.register(store, "w2")
    lane = f"{jobs.BASE}!w1:acme"
    assert [row[:2] for row in await jobs.claim(store, "w2", 1, lane)] == [["j", 2]]

    assert (await store.complete.add([*item, "digest", []], b"1"))[0] == "stale_attempt"


async def test_a_late_result_revives_nothing_that_has_ended(store: Store) -> None:
    item = await lost(store, max_retries=0)
    assert (await jobs.record(store, "j")).state == "failed"
    before = await jobs.everything(store)

    assert (await store.complete.add([*item, "digest", []], b"1"))[0] == "stale_attempt"
    assert await jobs.everything(store) == before


async def test_a_job_left_out_is_lost_by_a_later_heartbeat_that_leaves_it_out_too(
    store: Store,
) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await jobs.claim(store)
    await stop_time(store)

    for listed, ms_later in (
        ([], 249),
        ([], 0),
        ([["j", 1]], 300),
        ([], 0),
        ([], 249),
        ([], 1),
    ):
        assert (await jobs.record(store, "j")).state == "assigned"
        await store.heartbeat.add(["w1", "", listed, ""])
        await pass_time(store, ms_later)
    await store.heartbeat.add(["w1", "", [], ""])

    assert (await jobs.record(store, "j")).state == "queued"


async def test_the_avoided_worker_may_take_it_again_after_a_minute(store: Store) -> None:
    await lost(store)
    await store.heartbeat.add(["w1", "", [], ""])
    assert (await jobs.record(store, "j")).lane == f"{jobs.BASE}!w1:acme"

    for _ in range(31):
        await pass_lease_time(store, 2_000)
        await store.heartbeat.add(["w1", "", [], ""])
        await store.calls.run("expire_jobs", [10, 1])

    assert (await jobs.record(store, "j")).lane == jobs.LANE


async def test_tokens_of_others_are_stale(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await jobs.claim(store)
    _, worker, attempt, lease = await jobs.token(store, "j")
    before = await jobs.everything(store)

    for wrong in (
        ["j", "w2", attempt, lease],
        ["j", worker, 2, lease],
        ["j", worker, attempt, "x"],
        ["k", worker, 1, ""],
    ):
        assert (await store.accept.add(wrong))[0] == "stale_attempt"
        assert (await store.complete.add([*wrong, "d", []], b"1"))[0] == "stale_attempt"
        assert (await store.release.add([*wrong, ""]))[0] == "stale_attempt"
    assert await jobs.everything(store) == before


async def test_a_cancelled_job_holds_its_slot_until_the_worker_answers(store: Store) -> None:
    await jobs.register(store, slots=1)
    await jobs.submit(store, "j", "k")
    await jobs.claim(store)
    item = await jobs.token(store, "j")
    await store.cancel.add(["j", "why"])
    assert await jobs.claim(store) == []

    assert (await store.complete.add([*item, "d", []], b"1"))[0] == "ok"

    record = await jobs.record(store, "j")
    assert (record.state, record.has_result) == ("cancelled", 0)
    assert [row[0] for row in await jobs.claim(store)] == ["k"]


async def test_dependants_follow_what_they_wait_for(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a", "b")
    await jobs.submit(store, "after-a", depends_on=("a",))
    await jobs.submit(store, "after-b", depends_on=("a", "b"))
    await jobs.submit(store, "last", depends_on=("after-b",))
    await jobs.claim(store)
    await store.complete.add([*await jobs.token(store, "a"), "d", []], b"1")
    await store.cancel.add(["b", "why"])

    while (await store.calls.run("settle_dependants", [1]))[1][1]:
        pass

    states = {
        name: (await jobs.record(store, name)).state for name in ("after-a", "after-b", "last")
    }
    assert states == {"after-a": "queued", "after-b": "cancelled", "last": "cancelled"}
    assert (await jobs.record(store, "last")).error_code == "dependency_failed"


async def test_forgetting_leaves_nothing_of_a_job(store: Store) -> None:
    await jobs.register(store)
    empty = set(await jobs.everything(store))
    await jobs.submit(store, "a", workflow="flow", keep_completed_ms=0)
    await jobs.claim(store)
    await store.progress.add([*await jobs.token(store, "a"), [5, "m", None]])
    await store.complete.add([*await jobs.token(store, "a"), "d", []], b"1")

    await pass_time(store, 1)
    assert (await store.calls.run("forget_jobs", [[], 10]))[1] == [["ok", "a"]]

    left = set(await jobs.everything(store)) - empty
    assert {key.rpartition(b"}:")[2] for key in left} <= {
        b"events",
        b"counts",
        b"totals",
        b"test_offset",
    }
