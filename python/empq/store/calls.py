"""Calls of scripts: arguments packed, replies unpacked, items of one loop tick merged into one call.

A reply is `[token, results]`, beside it the log entry's index part. The index part of a hub's own writes is handed to `on_entry`
before anybody is answered, so that the hub's index is never behind what it has told a caller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from empq.errors import EmpqError, NotDurable, NotReady, Unavailable
from empq.store import scripts
from empq.store.keys import prefix
from empq.store.round_trips import NoScript, RoundTrips

logger = logging.getLogger(__name__)

MOST_ITEMS = 256
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode

Reply = list[Any]
FOREIGN = (
    "Redis does not hold this hub's data set any more: it was emptied or replaced. Put the data back, "
    "or restart every hub (with --accept-dataset where it has --data) to go on with what is there"
)


class _Numbered(msgspec.Struct, array_like=True):
    """An index part, of which only the entry's number is wanted."""

    number: int


_decode_numbered = msgspec.msgpack.Decoder(_Numbered).decode


class ScriptCalls:
    """Runs scripts by name over the shared round trips."""

    def __init__(self, round_trips: RoundTrips, partition: int = 0) -> None:
        self._round_trips = round_trips
        self._prefix = prefix(partition).encode()
        self.on_entry: Callable[[bytes], None] = lambda _: None
        #: jobs have ended that others wait for
        self.on_settle: Callable[[], None] = lambda: None
        #: id of the data set that calls are meant for; b"" before it is known
        self.dataset_id = b""
        #: whether all up to a log entry is as safe as the durability asked for
        self.kept: Callable[[int], Awaitable[bool]] | None = None
        self._number = 0
        #: whether the last call met another data set, or none
        self.is_foreign = False

    async def run(self, name: str, args: Any, texts: Sequence[bytes] = ()) -> Reply:
        """One call; the reply's token is "ok", "replayed", "refused" or an error's code.

        `texts` travel beside the packed arguments, as they are: envelopes, results.
        """
        return self.unpack(await self.raw(name, args, texts))

    async def raw(self, name: str, args: Any, texts: Sequence[bytes] = ()) -> Any:
        """One call, its reply as Redis sent it."""
        script = scripts.load(name)
        packed = encode(args)
        try:
            return await self._round_trips.call(
                "EVALSHA", script.sha, 1, self._prefix, packed, *texts, self.dataset_id
            )
        except NoScript:  # it was not run, so running it now is no repeat
            return await self._round_trips.call(
                "EVAL", script.text, 1, self._prefix, packed, *texts, self.dataset_id
            )

    async def is_kept(self) -> bool:
        """Whether what this hub has written so far is as safe as the durability asks for; waits for it."""
        return self.kept is None or await self.kept(self._number)

    async def demand_kept(self) -> None:
        """Raises NotDurable where `is_kept` is not: the change is made, and its repeat is harmless."""
        if not await self.is_kept():
            raise NotDurable(
                "done, but no replica or disk has confirmed it in time; send it again, which changes nothing more"
            )

    def unpack(self, answer: bytes | list[bytes], *, tell: bool = True) -> Reply:
        """A reply's token and results; its index part goes to `on_entry`."""
        parts = answer if isinstance(answer, list) else [answer]
        reply: Reply = decode(parts[0])
        self.is_foreign = reply[0] == "no_dataset"
        if self.is_foreign:
            raise Unavailable(FOREIGN)
        if reply[0] == "stale_index":
            raise NotReady("this hub's index is behind; try again")
        if tell and len(parts) > 1 and parts[1]:
            if self.kept:
                self._number = max(self._number, _decode_numbered(parts[1]).number)
            self.on_entry(parts[1])
        if len(reply) > 2 and reply.pop():
            self.on_settle()
        return reply


class Tick:
    """Flushes the batches of one loop tick in a fixed order, so that a job's accept, progress and end keep theirs."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._scheduled = False

    def schedule(self) -> None:
        """Flush once, after what is ready in this tick has added its items."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        for batch in self.batches:
            batch.flush()


class Batch:
    """Items for one script: those of a loop tick go in one call, at most 256 a call."""

    def __init__(self, calls: ScriptCalls, tick: Tick, name: str, *, is_ack: bool = False) -> None:
        """`is_ack`: whoever is answered relies on the change, so the answer waits until it is kept."""
        self._calls, self._tick, self._name, self._is_ack = calls, tick, name, is_ack
        self._items: list[Any] = []
        self._texts: list[bytes] = []
        self._futures: list[asyncio.Future[Any]] = []
        self._running: set[asyncio.Task[None]] = set()
        tick.batches.append(self)

    def add(self, item: Any, text: bytes | None = None) -> asyncio.Future[Any]:
        """The item's result to come: `[token, …]`. All items of a script bring a text, or none does."""
        self._tick.schedule()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._items.append(item)
        self._futures.append(future)
        if text is not None:
            self._texts.append(text)
        return future

    def flush(self) -> None:
        """Sends what was added; the first write to the connection happens in this very call's turn."""
        if not self._items:
            return
        items, texts, futures = self._items, self._texts, self._futures
        self._items, self._texts, self._futures = [], [], []
        for start in range(0, len(items), MOST_ITEMS):
            part = slice(start, start + MOST_ITEMS)
            task = asyncio.get_running_loop().create_task(
                self._send(items[part], texts[part], futures[part])
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send(
        self, items: list[Any], texts: list[bytes], futures: list[asyncio.Future[Any]]
    ) -> None:
        try:
            results = await self.call(items, texts)
            if self._is_ack:
                await self._calls.demand_kept()
        except EmpqError as error:
            _fail(futures, error)
        except Exception:  # nobody of the tick may wait for ever because of one item
            logger.exception("%s: a call of %d items failed", self._name, len(items))
            _fail(futures, Unavailable("the hub met an error of its own; its log tells"))
        else:
            for future, result in zip(futures, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def call(self, items: list[Any], texts: list[bytes]) -> list[Any]:
        """One call for all items; their results in order."""
        return (await self._calls.run(self._name, [items], texts))[1]


def _fail(futures: Sequence[asyncio.Future[Any]], error: EmpqError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller that is gone need not look
