"""A hub that says what a test tells it to, over a real socket; and a connector whose runs end when a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from empq.connectors.base import Connector, Job, Models, NoSettings, Report, Result
from empq.worker.runtime import Worker
from empq.worker.services import Backend, Breaker

Message = dict[str, Any]


class Conversation:
    """One connection of a worker."""

    def __init__(self, socket: ServerConnection, answers_heartbeats: bool) -> None:
        self.socket = socket
        self.frames: list[list[Message]] = []
        self._answers_heartbeats = answers_heartbeats
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._passed_over: list[Message] = []
        self.next_ack: Message = {}
        self.closed = asyncio.Event()

    async def listen(self) -> None:
        async for frame in self.socket:
            decoded = json.loads(frame)
            messages = decoded if isinstance(decoded, list) else [decoded]
            self.frames.append(messages)
            for message in messages:
                if message["type"] == "worker_heartbeat" and self._answers_heartbeats:
                    ack = {"type": "worker_heartbeat_ack", "reply_to": message["id"]}
                    await self.send(ack | self.next_ack)
                self._incoming.put_nowait(message)
        self.closed.set()

    async def send(self, message: Message | list[Message]) -> None:
        await self.socket.send(json.dumps(message))

    async def expect(self, kind: str) -> Message:
        """The next message of a type; others before it are passed over."""
        for index, message in enumerate(self._passed_over):
            if message["type"] == kind:
                return self._passed_over.pop(index)
        while True:
            message = await self._incoming.get()
            if message["type"] == kind:
                return message
            self._passed_over.append(message)

    async def expect_reports(self, *job_ids: str) -> dict[str, Message]:
        """The complete_job messages of these jobs."""
        found: dict[str, Message] = {}
        while set(job_ids) - found.keys():
            message = await self.expect("complete_job")
            found[message["job_id"]] = message
        return found

    async def registered(self, **fields: Any) -> Message:
        """Answers the registration."""
        request = await self.expect("register_worker")
        answer = {"session": "s-1", "lease_ms": 60_000, "heartbeat_ms": 20_000}
        await self.send({"type": "worker_registered", **answer, "keep": [], "stop": [], **fields})
        return request

    async def assign(self, *jobs: Message) -> None:
        """Answers the next claim with these jobs."""
        claim = await self.expect("claim_job")
        await self.send(
            [
                {
                    "type": "job_assigned",
                    "assignment": job,
                    "reply_to": claim["id"],
                    "index": index,
                    "count": len(jobs),
                }
                for index, job in enumerate(jobs)
            ]
        )

    async def ack(self, report: Message) -> None:
        kinds = {"complete_job": "job_completed_ack", "fail_job": "job_failed_ack"}
        kind = kinds.get(report["type"], "ack")
        await self.send({"type": kind, "job_id": report["job_id"], "reply_to": report["id"]})

    async def refuse(self, message: Message, code: str) -> None:
        error = {"type": "error", "error_code": code, "error": code, "reply_to": message["id"]}
        await self.send(error)

    def cut(self) -> None:
        """The connection breaks without a close frame."""
        self.socket.transport.abort()


class ScriptedHub:
    """Hands each connection to the test."""

    def __init__(self) -> None:
        self.url = ""
        self.answers_heartbeats = True
        self._conversations: asyncio.Queue[Conversation] = asyncio.Queue()

    async def connection(self) -> Conversation:
        """The next connection."""
        return await self._conversations.get()

    async def _serve(self, socket: ServerConnection) -> None:
        conversation = Conversation(socket, self.answers_heartbeats)
        self._conversations.put_nowait(conversation)
        try:
            await conversation.listen()
        except Exception:
            conversation.closed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedHub]:
        async with serve(
            self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol("empq.v1")], max_size=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            yield self


class GatedConnector(Connector[NoSettings]):
    """A run goes on until the test opens its gate (by job id) or puts an error there."""

    service = "gated"

    def __init__(self) -> None:
        super().__init__(NoSettings())
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.cancelled: list[str] = []
        self.reports: dict[str, Report] = {}
        self._gates: dict[str, asyncio.Future[Any]] = {}

    async def run(self, job: Job, report: Report) -> Result:
        self.reports[job.job_id] = report
        self._gates[job.job_id] = asyncio.get_running_loop().create_future()
        self.begun.put_nowait(job.job_id)
        return Result(await self._gates[job.job_id])

    async def models(self) -> Models:
        return Models(available=["m"])

    async def cancel(self, job: Job) -> None:
        self.cancelled.append(job.job_id)

    def finish(self, job_id: str, value: Any = None) -> None:
        if isinstance(value, Exception):
            self._gates[job_id].set_exception(value)
        else:
            self._gates[job_id].set_result(value)


def job(job_id: str, attempt: int = 1, payload: Any = None, **fields: Any) -> Message:
    """An assignment."""
    base = {"job_id": job_id, "attempt": attempt, "lease": f"lease-{job_id}", "job_type": "t"}
    return {**base, "payload": payload, "timeout_seconds": 1800, **fields}


def backend(connector: Any, slots: int = 2, breaker: Breaker | None = None) -> Backend:
    return Backend(connector.service, connector, slots, breaker=breaker)


def held(message: Message) -> set[tuple[str, int]]:
    return {(entry["job_id"], entry["attempt"]) for entry in message["current_jobs"]}


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a worker for the time of a test."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
