"""/ws/worker: a table of message types, the worker's session, and what the hub tells it unasked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from empq.api.attempts import MOST_RESULT_BYTES, artifacts_of, preview_of
from empq.api.in_step import in_step
from empq.api.services import Services
from empq.api.socket_connection import (
    NOT_REGISTERED,
    REPLACED,
    SocketConnection,
    encode,
    error_message,
    tagged,
)
from empq.errors import InvalidField, NotFound, WorkerReplaced, WrongState
from empq.messages import rest, worker
from empq.messages.codec import Malformed, MessageCodec, bytes_of
from empq.queue.transitions import Token

REGISTER_SECONDS = 5.0
CLEAN_CLOSES = frozenset({1000, 1001})
MOST_WAITING_CLAIMS = 64

Handler = Callable[[Any], Coroutine[Any, Any, bytes | None]]


class WorkerSocket:
    """One worker's connection. It is the registry's link to the worker, too."""

    codec: MessageCodec[Any] = MessageCodec(worker.WorkerMessage)

    def __init__(self, services: Services, connection: SocketConnection) -> None:
        self._services, self._connection = services, connection
        self._worker_id, self._session = "", ""
        self._claims: set[asyncio.Task[None]] = set()
        self._handlers: dict[type, Handler] = {
            worker.RegisterWorker: self._register_worker,
            worker.WorkerHeartbeat: self._heartbeat,
            worker.UpdateCapabilities: self._update_capabilities,
            worker.ClaimJob: self._claim_job,
            worker.JobAcceptedByWorker: self._accept,
            worker.UpdateJobProgress: self._update_progress,
            worker.CompleteJob: self._complete,
            worker.FailJob: self._fail,
            worker.ReleaseJob: self._release,
        }
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(REGISTER_SECONDS, self._give_up)

    async def answer(self, messages: Sequence[Any]) -> list[bytes | None]:
        """Messages of different jobs go to the services in one tick; those of one job one after the other."""
        replies: list[bytes | None] = []
        for wave in in_waves(messages):
            results = await in_step([self._reply(message) for message in wave])
            replies += [
                error_message(result, message.id) if isinstance(result, Exception) else result
                for message, result in zip(wave, results, strict=True)
            ]
        return replies

    def replied(self) -> None:
        """Nothing waits for the replies of a batch."""

    async def closed(self, code: int | None) -> None:
        """A close that the worker sent (1000, 1001) releases what it holds; any other end leaves that to the lease."""
        self._deadline.cancel()
        for claim in self._claims:
            claim.cancel()
        if not self._session:
            return
        self._services.registry.detach(self._worker_id, self._session, self)
        if code in CLEAN_CLOSES:
            with contextlib.suppress(NotFound, WorkerReplaced):
                await self._services.registry.remove(self._worker_id, self._session)

    # ---------------------------------------------------------------- what the hub tells unasked (WorkerLink)

    def cancel(self, job_id: str, attempt: int, reason: str) -> None:
        """The run of this attempt is to end."""
        self._connection.send(encode(worker.CancelJob(job_id, attempt, reason)))

    def drain(self, deadline_seconds: float | None) -> None:
        """Nothing new is to be taken."""
        self._connection.send(encode(worker.Drain(deadline_seconds)))

    def replaced(self) -> None:
        """A newer registration took over."""
        error = WorkerReplaced(f"a newer registration of worker {self._worker_id} took over")
        self._connection.close(REPLACED, "replaced", error_message(error, None))

    # ---------------------------------------------------------------- handlers, in the order of the table

    async def _register_worker(self, message: worker.RegisterWorker) -> bytes:
        if message.protocol != worker.PROTOCOL:
            raise InvalidField.at("/protocol", f"this hub speaks protocol {worker.PROTOCOL}")
        wish = rest.RegisterWorker(
            worker_id=message.worker_id,
            capabilities=message.capabilities,
            session=message.session,
            current_jobs=message.current_jobs,
        )
        registry, known = self._services.registry, (self._worker_id, self._session)
        if self._session:  # this socket's own earlier session is no reason to close it
            registry.detach(*known, self)
        try:
            registered = await registry.register(wish)
        except BaseException:
            if self._session:
                registry.attach(*known, self)
            raise
        self._deadline.cancel()
        self._worker_id, self._session = registered.worker_id, registered.session
        registry.attach(self._worker_id, self._session, self)
        return tagged("worker_registered", message.id, encode(registered))

    async def _heartbeat(self, message: worker.WorkerHeartbeat) -> bytes:
        beat = rest.Heartbeat(
            current_jobs=message.current_jobs,
            status=message.status,
            load=message.load,
            system_info=message.system_info,
            connector_status=message.connector_status,
        )
        answer = await self._services.registry.heartbeat(self._worker_id, self._session, beat)
        return tagged("worker_heartbeat_ack", message.id, encode(answer))

    async def _update_capabilities(self, message: worker.UpdateCapabilities) -> bytes:
        await self._services.registry.patch(self._worker_id, message.capability_changes)
        return encode(worker.Ack(reply_to=message.id))

    async def _claim_job(self, message: worker.ClaimJob) -> None:
        if len(self._claims) >= MOST_WAITING_CLAIMS:
            raise WrongState(f"at most {MOST_WAITING_CLAIMS} claims of one worker wait at a time")
        task = asyncio.get_running_loop().create_task(self._claim(message))
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)

    async def _accept(self, message: worker.JobAcceptedByWorker) -> bytes:
        await self._services.transitions.accept(message.job_id, self._token(message))
        return encode(worker.Ack(reply_to=message.id))

    async def _update_progress(self, message: worker.UpdateJobProgress) -> None:
        report = rest.ProgressReport(
            progress=message.progress,
            message=message.message,
            current_step=message.current_step,
            preview=preview_of(message.preview),
        )
        await self._services.transitions.progress(message.job_id, self._token(message), report)

    async def _complete(self, message: worker.CompleteJob) -> bytes:
        result = bytes_of(message.result, "/result", MOST_RESULT_BYTES)
        names = artifacts_of(self._services, message.job_id, message.attempt, message.artifacts)
        token = self._token(message)
        await self._services.transitions.complete(message.job_id, token, result, names)
        return encode(worker.JobCompletedAck(reply_to=message.id, job_id=message.job_id))

    async def _fail(self, message: worker.FailJob) -> bytes:
        details = bytes_of(message.error_details, "/error_details", MOST_RESULT_BYTES)
        ack = await self._services.transitions.fail(
            message.job_id, self._token(message), message.error, details, message.retry is not False
        )
        return encode(
            worker.JobFailedAck(
                reply_to=message.id,
                job_id=message.job_id,
                retry_scheduled=ack.retry_scheduled,
                retry_delay_ms=ack.retry_delay_ms,
            )
        )

    async def _release(self, message: worker.ReleaseJob) -> bytes:
        token = self._token(message)
        await self._services.transitions.release(message.job_id, token, message.reason)
        return encode(worker.Ack(reply_to=message.id))

    # ---------------------------------------------------------------- details

    async def _reply(self, message: Any) -> bytes | None:
        if isinstance(message, Malformed):
            return error_message(message.error, message.reply_to)
        if not self._session and not isinstance(message, worker.RegisterWorker):
            raise WrongState("register_worker must be this connection's first message")
        return await self._handlers[type(message)](message)

    async def _claim(self, message: worker.ClaimJob) -> None:
        most = 1 if message.max_jobs is None else message.max_jobs
        wait_ms = worker.DEFAULT_WAIT_MS if message.wait_ms is None else message.wait_ms
        try:
            jobs = await self._services.broker.claim(
                self._worker_id, self._session, most, wait_ms, message.claim_id
            )
        except Exception as error:
            self._connection.send(error_message(error, message.id))
            return
        if not jobs:
            self._connection.send(encode(worker.NoJob(reply_to=message.id)))
            return
        reply_to, count = encode(message.id), len(jobs)
        self._connection.send(
            *(
                b'{"type":"job_assigned","reply_to":%b,"index":%d,"count":%d,"assignment":%b}'
                % (reply_to, index, count, job)
                for index, job in enumerate(jobs)
            )
        )

    def _token(self, message: worker.OfAttempt) -> Token:
        return Token(self._worker_id, message.attempt, message.lease)

    def _give_up(self) -> None:
        self._connection.close(NOT_REGISTERED, f"not registered within {REGISTER_SECONDS:g} s")


def in_waves(messages: Sequence[Any]) -> Iterator[list[Any]]:
    """Runs of messages in which no job occurs twice; a registration stands alone."""
    wave: list[Any] = []
    jobs: set[str] = set()
    for message in messages:
        job_id = getattr(message, "job_id", None)
        alone = isinstance(message, worker.RegisterWorker)
        if wave and (alone or job_id in jobs):
            yield wave
            wave, jobs = [], set()
        wave.append(message)
        if job_id is not None:
            jobs.add(job_id)
        if alone:
            yield wave
            wave, jobs = [], set()
    if wave:
        yield wave
