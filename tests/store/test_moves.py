"""Every verb in every state: what the table of lifecycle.py allows happens, all else changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from empq.model.lifecycle import ENDED, MOVES, STATES, may
from empq.store.store import Store
from tests.support import jobs
from tests.support.clock import pass_lease_time, pass_time

Verb = Callable[[Store], Awaitable[Any]]


async def bring_to(store: Store, state: str) -> None:
    """Job "j" in this state, by its natural way."""
    await jobs.register(store)
    if state == "pending":
        await jobs.submit(store, "j", delay_ms=3_600_000)
        return
    await jobs.submit(store, "j", max_retries=0)
    if state == "queued":
        return
    if state == "cancelled":
        await store.cancel.add(["j", "why"])
        return
    await jobs.claim(store)
    item = await jobs.token(store, "j")
    if state == "accepted":
        await store.accept.add(item)
    elif state == "in_progress":
        await store.progress.add([*item, [1, None, None]])
    elif state == "completed":
        await store.complete.add([*item, "digest", []], b"1")
    elif state == "failed":
        await store.fail.add([*item, "broken", "", 1, 1.0])
    elif state == "timeout":
        await store.accept.add(item)
        await pass_lease_time(store, 61_000)
        await store.heartbeat.add(["w1", "", [["j", 1]], ""])
        await store.calls.run("expire_jobs", [10, 1])


async def with_token(store: Store, batch: str, *more: Any, text: bytes | None = None) -> Any:
    return await getattr(store, batch).add([*await jobs.token(store, "j"), *more], text)


VERBS: dict[str, Verb] = {
    "accept": lambda store: with_token(store, "accept"),
    "start": lambda store: with_token(store, "progress", [5, None, None]),
    "complete": lambda store: with_token(store, "complete", "other", [], text=b"2"),
    "fail": lambda store: with_token(store, "fail", "broken", "", 0, 1.0),
    "release": lambda store: with_token(store, "release", "why"),
    "cancel": lambda store: store.cancel.add(["j", "why"]),
    "reprioritise": lambda store: store.reprioritise.add(["j", 99]),
    "claim": lambda store: jobs.claim(store),
}
#: a late complete needs a lost attempt before it: test_late_results
ALONE = {("complete", "queued"), ("complete", "pending")}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_moves_as_the_table_says_or_changes_nothing(
    store: Store, verb: str, state: str
) -> None:
    await bring_to(store, state)
    assert (await jobs.record(store, "j")).state == state
    before = await jobs.everything(store)

    await VERBS[verb](store)

    after = (await jobs.record(store, "j")).state
    if may(verb, state) and (verb, state) not in ALONE:
        assert after in MOVES[verb][state]
        assert await jobs.everything(store) != before
    elif (verb, state) == ("start", "in_progress"):
        assert after == state
    else:
        assert await jobs.everything(store) == before


@pytest.mark.parametrize("state", STATES)
async def test_a_passed_deadline_ends_what_has_not_ended(store: Store, state: str) -> None:
    await bring_to(store, state)
    deadline = 1_000
    await store.command("ZADD", "empq:{p0}:wall_deadlines", deadline, "j")

    await store.calls.run("expire_jobs", [10, 1])

    record = await jobs.record(store, "j")
    assert record.state == (state if state in ENDED else "timeout")
    assert record.error_code == ("deadline_passed" if state not in ENDED else record.error_code)


@pytest.mark.parametrize("state", ["assigned", "accepted", "in_progress"])
async def test_a_lost_worker_gives_its_job_back_counted(store: Store, state: str) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j", max_retries=1)
    await jobs.claim(store)
    if state != "assigned":
        await VERBS["accept" if state == "accepted" else "start"](store)

    await pass_lease_time(store, 2_500)
    await store.calls.run("expire_sessions", [10])
    assert (await jobs.record(store, "j")).state == state
    await pass_lease_time(store, 1_000)
    await store.calls.run("expire_sessions", [10])

    record = await jobs.record(store, "j")
    assert (record.state, record.outcome, record.counted) == ("queued", "lost", 1)
    worker = (await store.workers(["w1"]))[0][0]
    assert worker is not None and worker.state == "offline" and worker.held == []


async def test_an_outage_expires_nobody(store: Store) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await jobs.claim(store)

    await pass_time(store, 600_000)
    await store.calls.run("expire_sessions", [10])
    await store.calls.run("expire_jobs", [10, 1])

    assert (await jobs.record(store, "j")).state == "assigned"


async def test_after_an_outage_even_a_lease_that_was_nearly_over_has_a_whole_one(
    store: Store,
) -> None:
    await jobs.register(store)
    await jobs.submit(store, "j")
    await jobs.claim(store)
    await pass_lease_time(store, 2_900)

    await pass_time(store, 600_000)
    await pass_lease_time(store, 2_900)
    await store.calls.run("expire_sessions", [10])
    assert (await jobs.record(store, "j")).state == "assigned"

    await pass_lease_time(store, 1_000)
    await store.calls.run("expire_sessions", [10])
    assert (await jobs.record(store, "j")).outcome == "lost"


async def test_the_worker_s_record_says_when_its_lease_ends(store: Store) -> None:
    await jobs.register(store)
    await store.command("ZADD", "empq:{p0}:sessions", 0, "w1")

    await store.calls.run("expire_sessions", [10])

    worker = (await store.workers(["w1"]))[0][0]
    assert worker is not None and worker.state == "online"
