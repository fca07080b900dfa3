"""The log, read once per hub: index parts to the index keeper, job and worker events to listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from empq.model.event import JobEvent, WorkerEvent, event_id
from empq.store.connection import ask
from empq.store.keys import key, progress_channel
from empq.store.store import Store

logger = logging.getLogger(__name__)

BLOCK_MS, MOST_ENTRIES = 5000, 1000
RETRY_SECONDS = 0.5


class LogEntry(msgspec.Struct, array_like=True):
    """The `j` part of an entry."""

    number: int
    epoch: int
    jobs: list[tuple[str, str, str, int, int, int, str, str, str, str, int, str, str, str, int]]
    workers: list[WorkerEvent]


class ProgressEntry(msgspec.Struct, array_like=True):
    """What one publish tells: time and (id, version, attempt, worker, customer, type, workflow, priority, progress)."""

    at: int
    jobs: list[tuple[str, int, int, str, str, str, str, int, list[Any]]]


_decode_entry = msgspec.msgpack.Decoder(LogEntry).decode
_decode_progress = msgspec.msgpack.Decoder(ProgressEntry).decode


class EventFeed:
    """Tails the log from `number`; a gap or a broken connection leads to `on_gap`, which must rebuild."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.number = 0
        self.on_index: Callable[[Sequence[bytes], int], None] = lambda parts, number: None
        self.on_jobs: Callable[[list[JobEvent]], None] = lambda events: None
        self.on_workers: Callable[[list[WorkerEvent]], None] = lambda events: None
        self.on_gap: Callable[[], Awaitable[int]] = self._stay
        #: set while the log is being followed
        self.following = asyncio.Event()

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
            except (OSError, RedisError, TimeoutError) as error:
                logger.warning("feed of the %s broke: %s", what, error)
            finally:
                await connection.disconnect(nowait=True)
            self.following.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_log(self, connection: AbstractConnection) -> None:
        stream = key("events")
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
                self.number = await self.on_gap()
                continue
            self._hand_out([fields for _, fields in entries])

    async def _check_not_behind(self, connection: AbstractConnection) -> None:
        """A data set whose number is below ours was rolled back or emptied."""
        number = await ask(connection, "HGET", key("dataset"), "number")
        if number is not None and int(number) < self.number:
            logger.error(
                "the log is shorter (%d) than what this hub has seen (%d): rebuilding",
                int(number),
                self.number,
            )
            self.number = await self.on_gap()

    def _hand_out(self, entries: list[list[bytes]]) -> None:
        decoded = [_decode_entry(fields[3]) for fields in entries]
        self.number = decoded[-1].number
        self.on_index([fields[1] for fields in entries], self.number)
        workers = [event for entry in decoded for event in entry.workers]
        if workers:
            self.on_workers(workers)
        jobs = [_as_event(row) for entry in decoded for row in entry.jobs]
        if jobs:
            self.on_jobs(jobs)

    async def _follow_progress(self, connection: AbstractConnection) -> None:
        await connection.send_packed_command(
            connection.pack_command("SUBSCRIBE", progress_channel())
        )
        while True:
            reply = await connection.read_response(disable_decoding=True)
            if reply[0] == b"message":
                entry = _decode_progress(reply[2])
                self.on_jobs([_as_progress(entry.at, row) for row in entry.jobs])


def _as_event(row: tuple[Any, ...]) -> JobEvent:
    (
        job_id,
        event,
        status,
        version,
        at,
        attempt,
        worker,
        customer,
        job_type,
        workflow,
        priority,
        outcome,
        code,
        message,
        retry_at,
    ) = row
    return JobEvent(
        type=event, event_id=event_id(version), job_id=job_id, status=status, attempt=attempt, at=at, worker_id=worker,
        customer_id=customer, job_type=job_type, workflow_id=workflow, priority=priority, outcome=outcome,
        error_code=code, error_message=message, retry_at=retry_at,
    )  # fmt: skip


def _as_progress(at: int, row: tuple[Any, ...]) -> JobEvent:
    job_id, version, attempt, worker, customer, job_type, workflow, priority, report = row
    return JobEvent(
        type="job_update", event_id=event_id(version), job_id=job_id, status="in_progress", attempt=attempt, at=at,
        worker_id=worker, customer_id=customer, job_type=job_type, workflow_id=workflow, priority=priority,
        progress=report[0], message=report[1], current_step=report[2],
    )  # fmt: skip
