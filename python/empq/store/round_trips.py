"""All commands of one loop tick travel as one pipelined write: commands in, replies out.

One connection, many calls in flight, replies in order. Nothing is ever re-sent: after a broken
connection the calls in flight fail with Unavailable, and whoever asked decides by the scripts'
idempotence. Knows no script.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from empq.errors import EmpqError, StorageFull, Unavailable
from empq.store.connection import read_reply

logger = logging.getLogger(__name__)

STALLED_SECONDS = 30.0
RECONNECT_SECONDS = (0.05, 2.0)
#: Replies by which Redis says that it cannot serve now.
AWAY = (
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
)


class RoundTrips:
    """A connection that is kept up until `close`; `prepare` runs on each new one before it is used."""

    def __init__(
        self,
        make_connection: Callable[[], AbstractConnection],
        prepare: Callable[[AbstractConnection], Awaitable[None]],
    ) -> None:
        self._make, self._prepare = make_connection, prepare
        self._commands: list[tuple[Any, ...]] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._wake = asyncio.Event()
        self._answered = 0
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    async def open(self) -> None:
        """Connects once, raising what goes wrong; from then on the connection is kept up."""
        connection = await self._connect()
        self._task = asyncio.get_running_loop().create_task(self._keep_up(connection), name="redis")

    async def close(self) -> None:
        """Ends the connection; calls in flight fail."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def call(self, *command: Any) -> asyncio.Future[Any]:
        """The reply to come. Raises Unavailable at once while there is no connection."""
        if not self.connected.is_set():
            raise Unavailable("Redis cannot be reached now; try again")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands.append(command)
        self._waiting.append(future)
        self._wake.set()
        return future

    async def _connect(self) -> AbstractConnection:
        connection = self._make()
        try:
            await connection.connect()
            await self._prepare(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _keep_up(self, connection: AbstractConnection | None) -> None:
        delay = RECONNECT_SECONDS[0]
        while True:
            try:
                if connection is None:
                    connection = await self._connect()
                    logger.info("redis is back")
                delay = RECONNECT_SECONDS[0]
                self.connected.set()
                await self._serve(connection)
            except (OSError, RedisError, TimeoutError) as error:
                if self.connected.is_set():
                    logger.warning("redis is away: %s", error)
            finally:
                self._fail_waiting()
                if connection is not None:
                    await connection.disconnect(nowait=True)
            connection = None
            await asyncio.sleep(delay * random.random())
            delay = min(delay * 2, RECONNECT_SECONDS[1])

    async def _serve(self, connection: AbstractConnection) -> None:
        """Until one of the parts fails; then all of them end and its error is raised."""
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(part(connection)) for part in (self._write, self._read, self._watch)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            endings = await asyncio.gather(*tasks, return_exceptions=True)
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands, self._commands = self._commands, []
            if commands:
                await connection.send_packed_command(connection.pack_commands(commands))

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                reply = await read_reply(connection)
            except ResponseError as error:
                reply = error
            future = self._waiting.popleft()
            self._answered += 1
            if future.done():
                continue
            if isinstance(reply, ResponseError):
                future.set_exception(as_empq_error(reply))
            else:
                future.set_result(reply)

    async def _watch(self, connection: AbstractConnection) -> None:
        """A connection that answers nothing for long while calls wait is given up."""
        while True:
            answered = self._answered
            await asyncio.sleep(STALLED_SECONDS)
            if self._waiting and self._answered == answered:
                raise TimeoutError(f"no reply for {STALLED_SECONDS:g} s")

    def _fail_waiting(self) -> None:
        self.connected.clear()
        self._commands.clear()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(
                    Unavailable(
                        "the connection to Redis broke; the call may or may not have had its effect"
                    )
                )
                future.exception()  # a caller that is gone need not look


class NoScript(Unavailable):
    """Redis does not know a script: it was not run."""


def as_empq_error(error: ResponseError) -> EmpqError:
    """What an error reply means to a caller."""
    text = str(error)
    word = text.partition(" ")[0]
    if "NOSCRIPT" in text or "No matching script" in text:
        return NoScript(text)
    if word == "OOM" or "command not allowed when used memory" in text:
        return StorageFull(
            "Redis has reached its maxmemory: submissions are refused until jobs have drained"
        )
    if word in AWAY or type(error).__name__ in {"BusyLoadingError", "ReadOnlyError"}:
        return Unavailable(f"Redis cannot serve now ({word}); try again")
    logger.error("redis refused a command: %s", text)
    return Unavailable(f"Redis refused a command: {text}")
