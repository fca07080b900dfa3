"""Arguments that no caller sends: a script that fails has written nothing."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from empq.errors import Unavailable
from empq.store import scripts
from empq.store.record import JobRecord
from empq.store.store import NewJob, Store
from tests.support import jobs

TRIES = 150
VALUES: tuple[Any, ...] = (
    *("", "x", "a", "w1", "\0", "\r\n", "1e400", "-1", "nil", "ä" * 100, "x" * 70_000),
    *(0, 1, -1, 2**31, 2**53, -(2**53), 2**63 - 1, 0.5, 1e308, float("inf"), float("nan")),
    *(None, True, False, [], [[]], {}, {"a": 1}, ["a", 1], [None, 1]),
)


async def populate(store: Store) -> dict[str, list[Any]]:
    """A job in every kind of state; the arguments of each script, such as a hub sends them."""
    await jobs.register(store, "w1", slots=9)
    await jobs.register(store, "w2")
    await jobs.submit(store, "a", "b", "c", "d", workflow="flow")
    await jobs.submit(store, "queued", "other", workflow="flow", keep_failed_ms=0)
    await jobs.submit(store, "after", depends_on=("a", "queued"))
    await jobs.submit(store, "late", delay_ms=1)
    await jobs.claim(store, "w1", 4)
    a, b, c, d = [await jobs.token(store, name) for name in "abcd"]
    await store.complete.add([*d, "digest", []], b"1")
    await store.cancel.add(["other", "why"])
    await store.cancel.add(["c", "why"])
    record = JobRecord(customer="acme", service="s", shape=jobs.BASE, workflow="flow")
    new = [NewJob(f"new{number}", record, ["a", "b"], 0) for number in range(2)]
    packed = [[one.id, list(_fields(one.record)), one.depends_on, 0] for one in new]
    return {
        "accept_jobs": [[a, b]],
        "announce_settings": [],
        "cancel_jobs": [[["a", "why"], ["queued", "why"], ["late", "why"]]],
        "claim_jobs": [2**50, [["w1", "", 1, 2, "claim", "seed", [jobs.LANE], [], 2**53]]],
        "complete_jobs": [[[*a, "digest", []], [*c, "digest", []]]],
        "drain_worker": ["w1", "draining", 5000],
        "expire_jobs": [10, 1],
        "expire_sessions": [10],
        "fail_jobs": [[[*a, "error", "{}", 1, 1.0], [*b, "error", "", 0, 1.0]]],
        "forget_jobs": [["d", "other"], 10],
        "heartbeat_workers": [[["w1", "", [["a", 1], ["c", 1]], "{}"], ["w2", "", [], ""]]],
        "leave_worker": ["w1", ""],
        "patch_worker": ["w1", 1, 4, [["comfyui", 1]], 0, "{}"],
        "progress_jobs": [[[*a, [5, "m", ""]], [*b, [5, "m", ""]]]],
        "promote_due_jobs": [10],
        "read_lanes": ["0", 10],
        "register_worker": ["w1", "again", 4, [["comfyui", 1]], 0, "{}", [["a", 1]]],
        "release_jobs": [[[*a, "why"], [*b, "why"]]],
        "reprioritise_jobs": [[["a", 5], ["queued", 5]]],
        "settle_dependants": [10],
        "submit_jobs": [packed, [[jobs.BASE, "{}"]], 1, "key", "digest", [["acme", 2]], 0],
        "begin_epoch": [2**20, 1],
        "mark_kept": [1],
        "open_dataset": [
            "id",
            [["lease_ms", "", "3000"], ["order", "", "fifo"], ["ageing_ms", "", "0"]],
            0,
            "",
        ],
        "set_customer": ["acme", 2, 10, ""],
        "set_pause": ["pause-1", '{"id":"pause-1","scope":"type","name":"t"}'],
    }


def _fields(record: JobRecord) -> list[Any]:
    return [getattr(record, name) for name in record.__struct_fields__]


def mutated(choice: random.Random, args: list[Any]) -> list[Any]:
    """The arguments with one value, at any depth, replaced or left out."""
    if not args:
        return [choice.choice(VALUES)]
    result = copy.deepcopy(args)
    place, inner = result, result
    while isinstance(inner, list) and inner and (inner is result or choice.random() < 0.9):
        place, index = inner, choice.randrange(len(inner))
        inner = place[index]
        place_index = index
    if choice.random() < 0.1:
        del place[place_index:]
    else:
        place[place_index] = choice.choice(VALUES)
    return result


async def restore(store: Store, kept: dict[bytes, bytes]) -> None:
    await store.command("FLUSHALL")
    for name, dump in kept.items():
        await store.command("RESTORE", name, 0, dump)


async def all_keys(store: Store) -> dict[bytes, bytes]:
    names = sorted(await store.command("KEYS", "*"))
    return {name: await store.command("DUMP", name) for name in names}


@pytest.mark.parametrize("name", scripts.names())
async def test_a_script_that_fails_has_written_nothing(store: Store, name: str) -> None:
    args = (await populate(store))[name]
    texts = [b'0000000200000001{}{,"payload":1}'] * 2
    choice = random.Random(name)
    before = await all_keys(store)
    failed = 0
    for _ in range(TRIES):
        tried = mutated(choice, args)
        try:
            await store.calls.raw(name, tried, texts)
        except Unavailable as error:
            failed += 1
            assert await all_keys(store) == before, f"{tried}: {error}"
        else:
            await restore(store, before)
    assert await store.calls.raw(name, args, texts)
