"""Passes of the background roles over a real store."""

from __future__ import annotations

from empq.queue.roles import LogTrimmer
from empq.store.keys import key
from empq.store.store import Store
from tests.support import jobs


async def test_the_log_is_kept_within_its_bytes_and_its_newest_entries_stay(store: Store) -> None:
    for number in range(200):
        await jobs.submit(store, f"j{number}")
    newest = (await store.command("XREVRANGE", key("events"), "+", "-", "COUNT", 1))[0][0]
    size = await store.command("MEMORY", "USAGE", key("events"))

    assert await LogTrimmer(store, most_bytes=size).run_once() == 0
    dropped = await LogTrimmer(store, most_bytes=size // 2).run_once()

    assert dropped > 100
    assert await store.command("MEMORY", "USAGE", key("events")) < size // 2
    left = await store.command("XREVRANGE", key("events"), "+", "-", "COUNT", 1)
    assert left[0][0] == newest
