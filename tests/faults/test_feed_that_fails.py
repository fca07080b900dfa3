"""A feed whose listener and then whose rebuild fail goes on, from an index that was rebuilt after all; one that missed entries notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from empq.feed.event_feed import EventFeed
from empq.model.event import LogRow, ProgressRow
from empq.store.keys import key
from empq.store.store import Store
from tests.support import jobs


async def test_a_rebuild_that_fails_is_tried_again(store: Store) -> None:
    feed = EventFeed(store)
    rebuilds: list[str] = []
    followed = asyncio.Event()

    def on_index(parts: Sequence[bytes], number: int) -> None:
        if not rebuilds:
            raise RuntimeError("a fault of the index")
        followed.set()

    async def on_gap() -> int:
        rebuilds.append("rebuild")
        if len(rebuilds) < 3:
            raise RuntimeError("a fault of the rebuild")
        number = int(await store.command("HGET", key("dataset"), "number"))
        await jobs.submit(store, "later")
        return number

    feed.on_index, feed.on_gap = on_index, on_gap
    await jobs.submit(store, "j")
    task = asyncio.create_task(feed.run())
    async with asyncio.timeout(60):
        await followed.wait()
    task.cancel()

    assert len(rebuilds) == 3


@asynccontextmanager
async def following(store: Store, number: int) -> AsyncIterator[list[str]]:
    """What a feed does that has read up to entry `number`: after its first step, until it has heard of job "last"."""
    feed, did = EventFeed(store), list[str]()
    moved, heard = asyncio.Event(), asyncio.Event()

    async def on_gap() -> int:
        did.append("rebuild")
        moved.set()
        return int(await store.command("HGET", key("dataset"), "number"))

    def on_jobs(rows: Sequence[LogRow | ProgressRow]) -> None:
        did.extend(row.job_id for row in rows)
        moved.set()
        if did[-1] == "last":
            heard.set()

    feed.number, feed.epoch = number, int(await store.command("HGET", key("dataset"), "epoch"))
    feed.on_gap, feed.on_jobs = on_gap, on_jobs
    task = asyncio.create_task(feed.run())
    async with asyncio.timeout(60):
        await moved.wait()
        yield did
        await heard.wait()
    task.cancel()


async def test_entries_written_before_it_reads_are_read(store: Store) -> None:
    number = int(await store.command("HGET", key("dataset"), "number"))
    await jobs.submit(store, "a", "b")

    async with following(store, number) as did:
        await jobs.submit(store, "last")

    assert did == ["a", "b", "last"]


async def test_entries_that_were_trimmed_away_unread_are_noticed(store: Store) -> None:
    number = int(await store.command("HGET", key("dataset"), "number"))
    await jobs.submit(store, "a", "b", "c")
    await store.command("XTRIM", key("events"), "MAXLEN", 1)

    async with following(store, number) as did:
        await jobs.submit(store, "last")

    assert did == ["rebuild", "last"]
