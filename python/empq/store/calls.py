"""Calls of scripts: arguments packed, replies unpacked, items of one loop tick merged into one call.

A reply is `[token, results, index part]`. The index part of a hub's own writes is handed to `on_entry`
before anybody is answered, so that the hub's index is never behind what it has told a caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from empq.errors import EmpqError, NotReady, Unavailable
from empq.store import scripts
from empq.store.keys import prefix
from empq.store.round_trips import NoScript, RoundTrips

MOST_ITEMS = 256
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode

Reply = list[Any]


class ScriptCalls:
    """Runs scripts by name over the shared round trips."""

    def __init__(self, round_trips: RoundTrips, partition: int = 0) -> None:
        self._round_trips = round_trips
        self._prefix = prefix(partition).encode()
        self.on_entry: Callable[[bytes], None] = lambda _: None

    async def run(self, name: str, args: Any, *, tell: bool = True) -> Reply:
        """One call; the reply's token is "ok", "replayed", "refused" or an error's code."""
        return self.unpack(await self.raw(name, args), tell=tell)

    async def raw(self, name: str, args: Any) -> Any:
        """One call, its reply as Redis sent it."""
        script = scripts.load(name)
        packed = encode(args)
        try:
            return await self._round_trips.call("EVALSHA", script.sha, 1, self._prefix, packed)
        except NoScript:  # it was not run, so running it now is no repeat
            return await self._round_trips.call("EVAL", script.text, 1, self._prefix, packed)

    def unpack(self, packed: bytes, *, tell: bool = True) -> Reply:
        """A packed reply; its index part goes to `on_entry`."""
        reply: Reply = decode(packed)
        if reply[0] == "no_dataset":
            raise Unavailable("Redis holds no empq data: it was emptied or replaced; restart the hub with --accept-dataset")
        if reply[0] == "stale_index":
            raise NotReady("this hub's index is behind; try again")
        if tell and len(reply) > 2 and reply[2]:
            self.on_entry(reply[2])
        return reply


class Batch:
    """Items for one script: those of a loop tick go in one call, at most 256 a call."""

    def __init__(self, calls: ScriptCalls, name: str) -> None:
        self._calls, self._name = calls, name
        self._items: list[tuple[Any, asyncio.Future[Any]]] = []
        self._running: set[asyncio.Task[None]] = set()

    def add(self, item: Any) -> asyncio.Future[Any]:
        """The item's result to come: `[token, …]`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._items:
            loop.call_soon(self._flush)
        self._items.append((item, future))
        return future

    def _flush(self) -> None:
        items, self._items = self._items, []
        for start in range(0, len(items), MOST_ITEMS):
            task = asyncio.get_running_loop().create_task(self._send(items[start : start + MOST_ITEMS]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send(self, items: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        try:
            results = await self.call([item for item, _ in items])
        except EmpqError as error:
            for _, future in items:
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            return
        for (_, future), result in zip(items, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def call(self, items: list[Any]) -> list[Any]:
        """One call for all items; their results in order."""
        return (await self._calls.run(self._name, [items]))[1]
