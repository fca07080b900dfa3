"""The log, read once per hub: index parts to the index keeper, job and worker events to listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from empq.errors import EmpqError
from empq.model.event import LogRow, ProgressRow, WorkerEvent
from empq.store.connection import ask, read_reply
from empq.store.keys import key, progress_channel
from empq.store.store import Store

logger = logging.getLogger(__name__)

BLOCK_MS, MOST_ENTRIES = 5000, 1000
RETRY_SECONDS = 0.5


class LogEntry(msgspec.Struct, array_like=True):
    """The `j` part of an entry."""

    number: int
    epoch: int
    jobs: list[LogRow]
    workers: list[WorkerEvent]


class ProgressEntry(msgspec.Struct, array_like=True):
    """What one publish tells."""

    at: int
    jobs: list[ProgressRow]


_decode_entry = msgspec.msgpack.Decoder(LogEntry).decode
_decode_progress = msgspec.msgpack.Decoder(ProgressEntry).decode


class EventFeed:
    """Tails the log from `number`; a gap or a broken connection leads to `on_gap`, which must rebuild."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.number = 0
        self._is_whole = True
        self._log_connection: AbstractConnection | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self.on_index: Callable[[Sequence[bytes], int], None] = lambda parts, number: None
        self.on_jobs: Callable[[Sequence[LogRow | ProgressRow]], None] = lambda rows: None
        self.on_workers: Callable[[list[WorkerEvent]], None] = lambda events: None
        self.on_gap: Callable[[], Awaitable[int]] = self._stay
        #: set while the log is being followed
        self.following = asyncio.Event()

    def rebuild_soon(self) -> None:
        """What was built from the log is lost: begin again from a rebuild."""
        self._is_whole = False
        self.following.clear()
        if self._log_connection is not None:
            self._closing.add(
                task := asyncio.ensure_future(self._log_connection.disconnect(nowait=True))
            )
            task.add_done_callback(self._closing.discard)

    async def _stay(self) -> int:
        return self.number

    async def run(self) -> None:
        """Follows the log and the progress channel until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("log", self._follow_log))
            group.create_task(self._keep("progress", self._follow_progress))

    async def _keep(
        self, what: str, follow: Callable[[AbstractConnection], Awaitable[None]]
    ) -> None:
        while True:
            connection = self._store.make_connection()
            try:
                await connection.connect()
                await follow(connection)
            except (OSError, RedisError, TimeoutError, EmpqError) as error:
                logger.warning("feed of the %s broke: %s", what, error)
            except Exception:
                # A hub must not go on with a feed that has stopped: begin again, from a rebuilt index.
                logger.exception("feed of the %s failed", what)
                self._is_whole = self._is_whole and follow != self._follow_log
            finally:
                await connection.disconnect(nowait=True)
            self.following.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_log(self, connection: AbstractConnection) -> None:
        stream = key("events")
        self._log_connection = connection
        if not self._is_whole:
            await self._rebuild()
        await self._check_not_behind(connection)
        while True:
            self.following.set()
            reply = await ask(
                connection,
                "XREAD",
                "COUNT",
                MOST_ENTRIES,
                "BLOCK",
                BLOCK_MS,
                "STREAMS",
                stream,
                f"{self.number}-0",
            )
            if not reply:
                await self._check_not_behind(connection)
                continue
            entries = reply[0][1]
            if int(entries[0][0].partition(b"-")[0]) != self.number + 1:
                logger.warning(
                    "the log begins at %s, wanted %d: rebuilding",
                    entries[0][0].decode(),
                    self.number + 1,
                )
                await self._rebuild()
                continue
            self._hand_out([fields for _, fields in entries])

    async def _rebuild(self) -> None:
        """Until it has succeeded, nothing else is followed."""
        self._is_whole = False
        self.number = await self.on_gap()
        self._is_whole = True

    async def _check_not_behind(self, connection: AbstractConnection) -> None:
        """A data set whose number is below ours was rolled back or emptied."""
        number = await ask(connection, "HGET", key("dataset"), "number")
        if number is not None and int(number) < self.number:
            logger.error(
                "the log is shorter (%d) than what this hub has seen (%d): rebuilding",
                int(number),
                self.number,
            )
            await self._rebuild()

    def _hand_out(self, entries: list[list[bytes]]) -> None:
        decoded = [_decode_entry(fields[3]) for fields in entries]
        self.number = decoded[-1].number
        self.on_index([fields[1] for fields in entries], self.number)
        workers = [event for entry in decoded for event in entry.workers]
        if workers:
            self.on_workers(workers)
        jobs = [row for entry in decoded for row in entry.jobs]
        if jobs:
            self.on_jobs(jobs)

    async def _follow_progress(self, connection: AbstractConnection) -> None:
        await connection.send_packed_command(
            connection.pack_command("SUBSCRIBE", progress_channel())
        )
        while True:
            reply = await read_reply(connection)
            if reply[0] == b"message":
                entry = _decode_progress(reply[2])
                for row in entry.jobs:
                    row.at = entry.at
                self.on_jobs(entry.jobs)
