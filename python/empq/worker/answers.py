"""What each message of the hub means to the worker: one method per type."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from empq.worker.claims import Claims
from empq.worker.exits import Replaced
from empq.worker.hub_link import RETRIED_ERRORS, HubLink
from empq.worker.job_runner import Run, failure_like, release
from empq.worker.outbox import Outbox
from empq.worker.wire import (
    Ack,
    Assignment,
    AttemptKey,
    CancelJob,
    CompleteJob,
    Drain,
    HeldJob,
    HubError,
    HubMessage,
    JobAssigned,
    JobCompletedAck,
    JobFailedAck,
    NoJob,
    WorkerHeartbeatAck,
    key_of,
)

log = logging.getLogger(__name__)

REPEAT_SECONDS = 1.0
#: A report with these answers can never be taken as it is.
UNREADABLE = frozenset({"too_large", "bad_json", "invalid_field", "unknown_field"})
GONE = frozenset({"stale_attempt", "not_found"})


class Addressee(Protocol):
    """The worker, as the hub's messages see it."""

    runs: dict[AttemptKey, Run]
    outbox: Outbox
    claims: Claims
    link: HubLink

    def assigned(self, job: Assignment) -> None:
        """A job has come."""
        ...

    def drain_by_hub(self, deadline_seconds: float | None) -> None:
        """Nothing new; what runs is given back at the deadline."""
        ...

    def resume_by_hub(self) -> None:
        """The drain is over, if there was one."""
        ...

    def note_change(self) -> None:
        """A report has ended."""
        ...


class Answers:
    """Messages to the worker's methods."""

    def __init__(self, worker: Addressee) -> None:
        self._worker = worker
        self._methods: dict[type, Callable[[Any], None]] = {
            JobAssigned: self._assigned,
            NoJob: self._no_job,
            Ack: self._acknowledged,
            JobCompletedAck: self._report_taken,
            JobFailedAck: self._report_taken,
            WorkerHeartbeatAck: self._heartbeat_answered,
            CancelJob: self._cancel,
            Drain: self._drain,
            HubError: self._refused,
        }

    def dispatch(self, message: HubMessage) -> None:
        """Calls the method; a message that is not for here is passed over."""
        if (method := self._methods.get(type(message))) is not None:
            method(message)

    def _assigned(self, message: JobAssigned) -> None:
        self._worker.assigned(message.assignment)
        self._worker.claims.assigned(message.reply_to, message.count)

    def _no_job(self, message: NoJob) -> None:
        self._worker.claims.ended(message.reply_to)
        self._worker.link.wake()

    def _acknowledged(self, message: Ack) -> None:
        named = key_of(message.reply_to)
        if named is not None and named[0] == "r":
            self._settle(named[1])

    def _report_taken(self, message: JobCompletedAck | JobFailedAck) -> None:
        named = key_of(message.reply_to)
        key = named[1] if named is not None else self._worker.outbox.key_of_job(message.job_id)
        if key is not None:
            self._settle(key)

    def _heartbeat_answered(self, message: WorkerHeartbeatAck) -> None:
        for held in message.cancel:
            self._cancel(held)
        for held in message.stop:
            if (run := self._worker.runs.get(AttemptKey(held.job_id, held.attempt))) is not None:
                run.stop(None)
        if message.drain:
            self._worker.drain_by_hub(None)
        else:
            self._worker.resume_by_hub()

    def _cancel(self, message: CancelJob | HeldJob) -> None:
        run = self._worker.runs.get(AttemptKey(message.job_id, message.attempt))
        if run is not None:
            run.stop(release(run.job, message.reason or "cancelled"))

    def _drain(self, message: Drain) -> None:
        self._worker.drain_by_hub(message.deadline_seconds)

    def _refused(self, message: HubError) -> None:
        if message.error_code == "worker_replaced":
            raise Replaced("another worker has registered with the same id; this one has stopped")
        named = key_of(message.reply_to)
        if named is not None and named[0] == "r":
            self._report_refused(named[1], message)
        elif named is not None:
            run = self._worker.runs.get(named[1])
            if run is not None and message.error_code in GONE:
                run.stop(None)
        elif message.error_code == "not_found":
            # A heartbeat or a claim of a worker that the hub does not know: register again.
            self._worker.claims.ended(message.reply_to)
            self._worker.link.reconnect("the hub does not know this worker")
        else:
            self._worker.claims.refused(message.reply_to)
            if message.error_code not in RETRIED_ERRORS:
                log.error("refused reply_to=%s error=%s", message.reply_to, message.error)

    def _report_refused(self, key: AttemptKey, message: HubError) -> None:
        outbox = self._worker.outbox
        if message.error_code in RETRIED_ERRORS:
            asyncio.get_running_loop().call_later(REPEAT_SECONDS, outbox.repeat, key)
            return
        report = outbox.settled(key)
        if message.error_code in UNREADABLE and isinstance(report, CompleteJob):
            outbox.report(key, failure_like(report, f"the hub refuses the result: {message.error}"))
        else:
            log.warning("report_dropped job_id=%s code=%s", key.job_id, message.error_code)
        self._worker.note_change()

    def _settle(self, key: AttemptKey) -> None:
        self._worker.outbox.settled(key)
        self._worker.note_change()
