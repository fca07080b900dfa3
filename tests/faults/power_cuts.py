"""Power cuts, counted: `python -m tests.faults.power_cuts --cuts 50 strict` prints acknowledged jobs and lost ones.

Jobs are submitted until the cut; then Redis starts from what was synced and each acknowledged job is looked for.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Literal, NamedTuple

from empq.errors import EmpqError
from empq.settings import Settings
from empq.store.store import Store
from tests.support.jobs import is_kept
from tests.support.power_cut import PowerCutServer

Mode = Literal["fast", "strict"]


class Cut(NamedTuple):
    """One cut: jobs acknowledged as kept, those of them that are gone, and how many of these were acknowledged before the last sync."""

    acknowledged: int
    lost: int
    lost_though_synced: int


async def one_cut(mode: Mode, appendfsync: str, jobs: int) -> Cut:
    """Submits in small batches until some are synced, cuts the power while more are under way, looks for all."""
    server = PowerCutServer("--appendfsync", appendfsync).start()
    try:
        settings = Settings(redis_url=server.url, durability=mode)
        store = Store(settings)
        await store.open()
        acknowledged: dict[str, int] = {}

        async def submit(name: str) -> None:
            if await is_kept(store, name):
                acknowledged[name] = time.monotonic_ns()

        start = 0
        while start < jobs or not server.has_synced_log():
            await asyncio.gather(*(submit(f"j{number}") for number in range(start, start + 8)))
            start += 8
        under_way = [asyncio.ensure_future(submit(f"late{number}")) for number in range(8)]
        await asyncio.sleep(0)
        last_sync = server.cut()
        await asyncio.gather(*under_way, return_exceptions=True)
        await store.close()
        server.start()
        store = Store(settings)
        await store.open()
        names = list(acknowledged)
        found = await store.jobs(names)
        await store.close()
        lost = [name for name, job in zip(names, found, strict=True) if job is None]
        return Cut(len(names), len(lost), sum(acknowledged[name] < last_sync for name in lost))
    finally:
        server.stop()


async def cuts(mode: Mode, number: int, jobs: int = 64) -> list[Cut]:
    """So many cuts, of a server that syncs as the mode needs it."""
    appendfsync = "always" if mode == "strict" else "everysec"
    return [await one_cut(mode, appendfsync, jobs) for _ in range(number)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("fast", "strict"))
    parser.add_argument("--cuts", type=int, default=50)
    options = parser.parse_args()
    try:
        made = asyncio.run(cuts(options.mode, options.cuts))
    except EmpqError as error:
        raise SystemExit(str(error)) from None
    acknowledged, lost, synced = (sum(column) for column in zip(*made, strict=True))
    print(
        f"{options.mode}: cuts {len(made)}, acknowledged {acknowledged}, lost {lost}, of them synced before {synced}"
    )


if __name__ == "__main__":
    main()
