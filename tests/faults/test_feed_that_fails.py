"""A feed whose listener and then whose rebuild fail goes on, from an index that was rebuilt after all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from empq.feed.event_feed import EventFeed
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
