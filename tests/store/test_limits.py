"""Pauses, quotas and the orders, as the scripts judge them again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from empq.errors import StartRefused
from empq.settings import Settings
from empq.store.store import Store
from tests.support import jobs
from tests.support.clock import pass_time

ZETA = jobs.BASE + ":zeta"


async def set_customer(
    store: Store, name: str, weight: Any = "", active: Any = "", queued: Any = ""
) -> None:
    await store.calls.run("set_customer", [name, weight, active, queued])


async def pause(store: Store, scope: str, name: str) -> None:
    text = msgspec.json.encode({"scope": scope, "name": name}).decode()
    await store.calls.run("set_pause", ["p1", text])


async def figures(store: Store, name: str) -> tuple[int, int, int]:
    customer = (await store.customers([name]))[0]
    return customer.active, customer.waiting, customer.queued


async def use_order(store: Store, order: str) -> None:
    await store.command("HSET", "empq:{p0}:dataset", "order", order)


@pytest.mark.parametrize(
    ("scope", "name"),
    [("worker", "w1"), ("service", "comfyui"), ("type", "render"), ("customer", "acme")],
)
async def test_a_pause_stops_assignments_until_it_ends(store: Store, scope: str, name: str) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a")
    await pause(store, scope, name)
    assert await jobs.claim(store) == []

    await store.calls.run("set_pause", ["p1", ""])

    assert [row[0] for row in await jobs.claim(store)] == ["a"]


async def test_a_pause_of_others_stops_nothing(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a")
    await pause(store, "customer", "zeta")
    assert [row[0] for row in await jobs.claim(store)] == ["a"]


async def test_max_active_bounds_what_runs_over_all_workers(store: Store) -> None:
    await jobs.register(store, slots=9)
    await jobs.register(store, "w2", 9)
    await set_customer(store, "acme", active=2)
    await jobs.submit(store, "a", "b", "c", "d")

    assert len(await jobs.claim(store, "w1", 9)) == 2
    assert await jobs.claim(store, "w2", 9) == []
    await store.complete.add([*await jobs.token(store, "a"), "x", []], b"1")

    assert [row[0] for row in await jobs.claim(store, "w2", 9)] == ["c"]
    assert await figures(store, "acme") == (2, 1, 1)


async def test_a_quota_of_zero_lets_nothing_pass(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "a")
    await set_customer(store, "acme", active=0, queued=1)

    assert await jobs.claim(store) == []
    result = await submit_whole(store, ["b"])
    assert result == ["refused", [["quota_exceeded", "acme", 1]]]


async def submit_whole(
    store: Store, names: list[str], reserve: list[Any] | None = None, taken: int = 0
) -> Any:
    from empq.store.record import JobRecord
    from empq.store.store import NewJob

    values: dict[str, Any] = {
        "type": "render",
        "customer": "acme",
        "service": "comfyui",
        "shape": jobs.BASE,
        "timeout_ms": 60_000,
        "accept_ms": 9_000,
        "delays_ms": [1],
    }
    items = [NewJob(name, JobRecord(**values), [], 0) for name in names]
    args = [items, [[jobs.BASE, "{}"]], 0, "", "", reserve or [], taken]
    return await store.calls.run(
        "submit_jobs", args, [b'0000000200000001{}{,"payload":1}'] * len(names)
    )


async def test_a_batch_that_would_break_the_quota_stores_nothing(store: Store) -> None:
    await set_customer(store, "acme", queued=3)
    assert (await submit_whole(store, ["a", "b"]))[0] == "ok"
    before = await jobs.everything(store)

    token, results = await submit_whole(store, ["c", "d"])

    assert (token, [row[0] for row in results]) == ("refused", ["not_stored", "quota_exceeded"])
    assert await jobs.everything(store) == before
    assert (await submit_whole(store, ["c"]))[0] == "ok"


async def test_a_batch_of_several_calls_reserves_for_a_minute(store: Store) -> None:
    await set_customer(store, "acme", queued=3)
    assert (await submit_whole(store, ["a"], [["acme", 3]]))[0] == "refused"
    assert (await submit_whole(store, ["a"], [["acme", 2]]))[0] == "ok"
    assert (await submit_whole(store, ["other"]))[0] == "refused"
    assert (await submit_whole(store, ["b"], taken=1))[0] == "ok"
    assert (await submit_whole(store, ["other"]))[0] == "refused"

    await pass_time(store, 60_001)

    assert (await submit_whole(store, ["other"]))[0] == "ok"


async def test_a_customer_s_figures_follow_its_jobs(store: Store) -> None:
    await jobs.register(store)
    await set_customer(store, "acme", weight=2)
    await jobs.submit(store, "a", "b")
    await jobs.submit(store, "later", delay_ms=60_000)
    assert await figures(store, "acme") == (0, 3, 2)
    await jobs.claim(store)
    assert await figures(store, "acme") == (1, 2, 1)
    await store.release.add([*await jobs.token(store, "a"), ""])
    assert await figures(store, "acme") == (0, 3, 2)
    for name in ("a", "b", "later"):
        await store.cancel.add([name, "why"])
    assert await figures(store, "acme") == (0, 0, 0)


async def test_fair_share_follows_the_weights(store: Store) -> None:
    await use_order(store, "fair")
    await jobs.register(store, slots=100)
    await set_customer(store, "zeta", weight=3)
    for number in range(40):
        await jobs.submit(store, f"a{number}")
        await jobs.submit(store, f"z{number}", customer="zeta")

    picked = [(await jobs.claim(store, "w1", 1, jobs.LANE, ZETA))[0][0][0] for _ in range(40)]

    for upto in range(4, 41, 4):
        assert abs(picked[:upto].count("z") - 3 * upto / 4) <= 1, picked[:upto]


async def test_a_customer_back_from_idleness_gets_no_credit(store: Store) -> None:
    await use_order(store, "fair")
    await jobs.register(store, slots=100)
    for number in range(20):
        await jobs.submit(store, f"a{number}")
    for _ in range(10):
        await jobs.claim(store)
    for number in range(10):
        await jobs.submit(store, f"z{number}", customer="zeta")

    picked = [(await jobs.claim(store, "w1", 1, jobs.LANE, ZETA))[0][0][0] for _ in range(10)]

    assert abs(picked.count("z") - 5) <= 1, picked


async def test_under_fair_one_call_gives_each_customer_one_job(store: Store) -> None:
    await use_order(store, "fair")
    await jobs.register(store, slots=100)
    for number in range(5):
        await jobs.submit(store, f"a{number}")
    await jobs.submit(store, "z", customer="zeta")

    assert [row[0] for row in await jobs.claim(store, "w1", 9, jobs.LANE, ZETA)] == ["a0", "z"]


async def test_under_score_the_better_total_wins_within_a_priority(store: Store) -> None:
    await use_order(store, "score")
    await jobs.register(store, slots=9)
    await jobs.submit(store, "a", "urgent-later", priority=50)
    await jobs.submit(store, "z", customer="zeta")
    await store.reprioritise.add(["urgent-later", 60])
    item = ["w1", "", 1, 3, "", "seed", [jobs.LANE, ZETA], [4000, 9000], 2**53]

    given = (await store.claim.add(item))[1]

    assert [row[0] for row in given] == ["urgent-later", "z", "a"]


async def test_with_ageing_waiting_makes_up_for_priority(store: Store) -> None:
    await store.command("HSET", "empq:{p0}:dataset", "ageing_ms", 1000)
    await jobs.register(store, slots=9)
    await jobs.submit(store, "old", priority=50)
    await pass_time(store, 5_500)
    await jobs.submit(store, "five-more", priority=55)
    await jobs.submit(store, "six-more", priority=56)

    assert [row[0] for row in await jobs.claim(store, "w1", 9)] == ["six-more", "old", "five-more"]


async def test_settings_that_decide_order_live_with_the_data(
    store: Store, redis_server: Any
) -> None:
    def other(**stated: Any) -> Store:
        return Store(Settings(redis_url=redis_server.url, **stated))

    with pytest.raises(StartRefused, match="order is fifo in the data and fair was stated"):
        await other(order="fair").open()
    with pytest.raises(StartRefused, match="seven weights that sum to 100"):
        await other(weights="1,2,3,4,5,6,7").open()
    await jobs.submit(store, "a")
    with pytest.raises(StartRefused, match="only while nothing is queued"):
        await other(ageing_interval_ms=60_000, change_settings=True).open()
    await store.cancel.add(["a", "why"])
    aged = other(ageing_interval_ms=60_000, change_settings=True)
    assert (await aged.open()).ageing_ms == 60_000
    with pytest.raises(StartRefused, match="ageing goes with the order fifo alone"):
        await other(order="score", change_settings=True).open()
    assert (await store.reread_dataset()).order == "fifo"
    await aged.close()
