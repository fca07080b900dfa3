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
        self.number, self.epoch = 0, 0
        self._last = b""  # what entry `number` says, where this hub has read it
        self._is_whole = True
        self._log_connection: AbstractConnection | None = None
        self._closing: set[asyncio.Future[None]] = set()
        #: entries that this hub had seen and that were gone when Redis came back
        self.lost = 0
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
        told = ""
        while True:
            connection = self._store.make_connection()
            try:
                await connection.connect()
                await follow(connection)
            except (OSError, RedisError, TimeoutError, EmpqError) as error:
                if str(error) != told:  # once, not twice a second
                    logger.warning("feed of the %s broke: %s", what, error)
                told = str(error)
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
        await self._check_same_log(connection)
        while True:
            if not self._is_whole:  # asked for meanwhile
                await self._rebuild()
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
                await self._check_same_log(connection)
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
            epoch = self._hand_out([fields for _, fields in entries])
            if epoch != self.epoch:
                await self._begin_again(epoch)

    async def _rebuild(self) -> None:
        """Until it has succeeded, nothing else is followed."""
        self._is_whole = False
        epoch = int(await self._store.command("HGET", key("dataset"), "epoch") or 0)
        self.number, self._last = await self.on_gap(), b""
        self.epoch = epoch  # where it has changed since, the next entry tells
        self._is_whole = True

    async def _check_same_log(self, connection: AbstractConnection) -> None:
        """Redis may have come back with less than this hub has seen: then a new epoch begins, for every hub."""
        found = await ask(connection, "HMGET", key("dataset"), "number", "epoch")
        if found[0] is None:
            return  # emptied: every call says so
        number, epoch = int(found[0]), int(found[1])
        if number < self.number or not await self._is_same_entry(connection):
            lost = max(0, self.number - number)
            self.lost += lost
            logger.error(
                "Redis came back without what this hub had seen: the log ends at %d, %d was seen (%d entries gone, "
                "with the changes that they told of); the index is read anew",
                number,
                self.number,
                lost,
            )
            await self._store.calls.run("begin_epoch", [self.number, self.epoch])
            await self._rebuild()
        elif epoch != self.epoch:
            await self._begin_again(epoch)

    async def _begin_again(self, epoch: int) -> None:
        logger.warning("epoch %d has begun: the index is read anew", epoch)
        await self._rebuild()

    async def _is_same_entry(self, connection: AbstractConnection) -> bool:
        """Whether the last entry read still says the same; others may have written that number again."""
        at = f"{self.number}-0"
        found = await ask(connection, "XRANGE", key("events"), at, at)
        return not found or not self._last or found[0][1][3] == self._last

    def _hand_out(self, entries: list[list[bytes]]) -> int:
        """The epoch of the last entry: where another one has begun the index is to be read anew."""
        decoded = [_decode_entry(fields[3]) for fields in entries]
        self.number, self._last = decoded[-1].number, entries[-1][3]
        self.on_index([fields[1] for fields in entries], self.number)
        workers = [event for entry in decoded for event in entry.workers]
        if workers:
            self.on_workers(workers)
        jobs = [row for entry in decoded for row in entry.jobs]
        if jobs:
            self.on_jobs(jobs)
        return decoded[-1].epoch

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
