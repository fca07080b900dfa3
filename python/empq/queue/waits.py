"""How long the oldest job of an ordered list has waited: the list is by priority, its levels are stepped through."""

from __future__ import annotations

from collections.abc import Sequence

from empq.store.store import Store

LEVEL_BITS, MEMBER_PREFIX = 46, 16


async def oldest_wait(store: Store, lists: Sequence[str]) -> float | None:
    """Seconds since the oldest queued job of these lanes or lines was queued; None where they are empty.

    The first of each priority level is its oldest.
    """
    heads = [head for name in lists for head in await _heads(store, name)]
    queued = [record.queued_at for record in await store.jobs(heads) if record]
    if not queued:
        return None
    seconds, micro = await store.command("TIME")
    return max(0.0, int(seconds) + int(micro) / 1e6 - min(queued) / 1000)


async def _heads(store: Store, name: str) -> list[str]:
    low, heads = "-inf", list[str]()
    while True:
        head = await store.command("ZRANGEBYSCORE", name, low, "+inf", "WITHSCORES", "LIMIT", 0, 1)
        if not head:
            return heads
        heads.append(head[0][MEMBER_PREFIX:].decode())
        low = str(((int(float(head[1])) >> LEVEL_BITS) + 1) << LEVEL_BITS)
