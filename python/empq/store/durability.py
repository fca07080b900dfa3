"""When a change counts as kept: after its script, on a replica too, or on disk too (EMPQ_DURABILITY).

A barrier is a write and a WAIT on a connection of its own: what was written before it is as safe as
it is, and nobody's calls queue behind the wait. All who ask while one is under way share the next.
What each mode survives, measured: docs/reliability.md.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal, NamedTuple

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from empq.errors import EmpqError, StartRefused
from empq.store.calls import ScriptCalls
from empq.store.connection import ask, info
from empq.store.round_trips import RoundTrips

logger = logging.getLogger(__name__)

Mode = Literal["fast", "safe", "strict"]
REPLICA_MS = 200


class Plan(NamedTuple):
    """The mode in force, and the command that waits for it; None where the script's reply is enough."""

    mode: Mode
    wait: tuple[Any, ...] | None


async def resolve(connection: AbstractConnection, stated: Mode | None) -> Plan:
    """Which mode this server can keep; safe where nothing is stated and it has replicas.

    Raises StartRefused where strict is asked of a server that does not sync before it answers.
    """
    replicas = int((await info(connection, "replication")).get("connected_slaves", 0))
    mode: Mode = stated or ("safe" if replicas else "fast")
    if mode == "fast":
        return Plan(mode, None)
    if mode == "safe":
        if not replicas:
            logger.warning(
                "durability safe, and Redis has no replica: every answer will say durable: false"
            )
        return Plan(mode, ("WAIT", 1, REPLICA_MS))
    if not await _syncs_before_answers(connection):
        raise StartRefused(
            "durability strict needs a Redis that syncs before it answers: set `appendonly yes` and "
            "`appendfsync always`, or state safe or fast"
        )
    return Plan(mode, ("WAIT", 1, REPLICA_MS) if replicas else None)


async def _syncs_before_answers(connection: AbstractConnection) -> bool:
    # Not WAITAOF: under everysec some servers say yes before they have synced (redis/redis#13793; Valkey 9.1 too).
    try:
        answer = await ask(connection, "CONFIG", "GET", "append*")
    except ResponseError:  # a managed Redis may not let itself be asked
        return False
    return {b"yes", b"always"} <= set(answer[1::2])


class Barrier:
    """`kept(number)` tells whether all up to that log entry is as safe as the mode demands."""

    def __init__(self, round_trips: RoundTrips, plan: Plan) -> None:
        assert plan.wait, "a mode without a wait needs no barrier"
        self._round_trips, self._wait = round_trips, plan.wait
        self.calls = ScriptCalls(round_trips)
        self._asked: list[tuple[int, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None
        self.missed = 0

    async def open(self) -> None:
        """Connects."""
        await self._round_trips.open()

    async def close(self) -> None:
        """Ends the connection; whoever waits is told that nothing is sure."""
        await self._round_trips.close()
        if self._task:
            await self._task

    def kept(self, number: int) -> asyncio.Future[bool]:
        """To come: whether the barrier behind entry `number` was reached in its time."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((number, future))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._pass_all())
        return future

    async def _pass_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            kept = await self._pass(max(number for number, _ in asked))
            self.missed += 0 if kept else len(asked)
            for _, future in asked:
                if not future.done():
                    future.set_result(kept)

    async def _pass(self, number: int) -> bool:
        """A write after all that is asked for, then the wait, on one connection: it waits for its own writes."""
        try:
            token = (await self.calls.run("mark_kept", [number]))[0]
            replicas = await self._round_trips.call(*self._wait)
        except EmpqError as error:
            logger.debug("barrier: %s", error)
            return False
        # not ok: the server went back behind what it had acknowledged to us
        return token == "ok" and replicas >= self._wait[1]
