"""Coroutines side by side in one task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from empq.api.in_step import in_step


async def test_all_begin_in_one_tick_and_results_keep_their_order() -> None:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[int]] = []

    async def call(value: int) -> int:
        future = loop.create_future()
        futures.append(future)
        if len(futures) == 3:
            for number in (2, 0, 1):
                loop.call_soon(futures[number].set_result, number)
        await asyncio.sleep(0)
        return value + await future

    assert await in_step([call(10), call(20), call(30)]) == [10, 21, 32]


async def test_an_exception_is_that_coroutines_result() -> None:
    async def fails() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def works() -> int:
        return 1

    first, second = await in_step([fails(), works()])
    assert isinstance(first, ValueError)
    assert second == 1


async def test_one_future_may_be_waited_for_by_several() -> None:
    shared: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def call() -> int:
        return await shared

    asyncio.get_running_loop().call_soon(shared.set_result, 5)
    assert await in_step([call(), call(), call()]) == [5, 5, 5]


async def test_cancelling_the_task_ends_all() -> None:
    ended: list[str] = []

    async def call(name: str) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(name)

    async def both() -> Any:
        return await in_step([call("a"), call("b")])

    task = asyncio.ensure_future(both())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["a", "b"]
