"""A job as the contract shows it; payload and result are spliced in as they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from empq.model.envelope import Envelope, InputFile
from empq.model.times import rfc3339
from empq.store.record import JobRecord, LoggedEvent

NULL = msgspec.Raw(b"null")


class AttemptView(msgspec.Struct):
    """One attempt; `outcome` and `ended_at` are null while it runs."""

    attempt: int
    worker_id: str
    assigned_at: str | None
    ended_at: str | None = None
    outcome: str | None = None
    error: str | None = None


class ErrorView(msgspec.Struct):
    """Why a job did not complete."""

    code: str
    message: str
    details: msgspec.Raw = NULL


class JobView(msgspec.Struct):
    """GET /api/jobs/{id}. Lists leave payload and result out (`encode`)."""

    id: str
    type: str
    status: str
    priority: int
    customer_id: str | None
    workflow_id: str | None
    worker_id: str | None
    requirements: msgspec.Raw
    payload: msgspec.Raw
    inputs: dict[str, InputFile]
    progress: float | None
    message: str | None
    current_step: str | None
    attempt: int
    attempts: list[AttemptView]
    result: msgspec.Raw
    artifacts: list[Any]
    error: ErrorView | None
    position: int | None
    estimated_start: str | None
    created_at: str | None
    queued_at: str | None
    assigned_at: str | None
    started_at: str | None
    ended_at: str | None
    run_at: str | None
    deadline: str | None
    retry_at: str | None
    retry_of: str | None
    depends_on: list[str]
    max_retries: int
    timeout_seconds: float | int
    metadata: dict[str, str]

    def encode(self, fields: set[str] | None = None) -> bytes:
        """The JSON object, narrowed to `fields` where given."""
        if fields is None:
            return _encode(self)
        return _encode(
            {name: getattr(self, name) for name in self.__struct_fields__ if name in fields}
        )


LIST_FIELDS = frozenset(JobView.__struct_fields__) - {"payload", "result"}
_encode = msgspec.json.Encoder().encode


def make_view(
    job_id: str,
    record: JobRecord,
    envelope: Envelope,
    *,
    result: bytes | None = None,
    progress: Sequence[Any] | None = None,
    history: Sequence[LoggedEvent] = (),
    position: int | None = None,
    artifacts: list[Any] | None = None,
) -> JobView:
    """Puts a view together; `progress` is (attempt, [progress, message, current_step]) as stored."""
    told = progress[1] if progress and progress[0] == record.attempt else (-1, "", "")
    return JobView(
        id=job_id,
        type=record.type,
        status=record.state,
        priority=record.priority,
        customer_id=record.customer or None,
        workflow_id=record.workflow or None,
        worker_id=record.worker or None,
        requirements=envelope.head.requirements,
        payload=msgspec.Raw(envelope.payload or b"null"),
        inputs=envelope.head.inputs,
        progress=told[0] if told[0] >= 0 else None,
        message=told[1] or None,
        current_step=told[2] or None,
        attempt=record.attempt,
        attempts=attempts_of(record, history),
        result=msgspec.Raw(result or b"null"),
        artifacts=artifacts or [],
        error=error_of(record),
        position=position,
        estimated_start=None,
        created_at=rfc3339(record.created_at),
        queued_at=rfc3339(record.queued_at),
        assigned_at=rfc3339(record.assigned_at),
        started_at=rfc3339(record.started_at),
        ended_at=rfc3339(record.ended_at),
        run_at=rfc3339(record.run_at),
        deadline=rfc3339(record.deadline_at),
        retry_at=rfc3339(record.retry_at),
        retry_of=record.retry_of or None,
        depends_on=envelope.details.depends_on,
        max_retries=record.max_retries,
        timeout_seconds=envelope.head.timeout_seconds,
        metadata=envelope.details.metadata,
    )


def error_of(record: JobRecord) -> ErrorView | None:
    """The error of an ended job, None where there is none."""
    if not record.error_code:
        return None
    details = msgspec.Raw(record.error_details.encode()) if record.error_details else NULL
    return ErrorView(record.error_code, record.error_message, details)


def attempts_of(record: JobRecord, history: Sequence[LoggedEvent]) -> list[AttemptView]:
    """All attempts: from the history where there is one, else the one that the record tells."""
    attempts: list[AttemptView] = []
    for event in history or events_of(record):
        if event.event == "job_assigned":
            attempts.append(AttemptView(event.attempt, event.worker, rfc3339(event.at)))
        elif event.outcome and attempts:
            _close(attempts, event)
    return attempts


def _close(attempts: list[AttemptView], event: LoggedEvent) -> None:
    # A late result comes after its attempt was lost: the accepted outcome stands.
    last = attempts[-1]
    last.ended_at, last.outcome = rfc3339(event.at), event.outcome
    last.error = event.message or None if event.outcome != "completed" else None


def events_of(record: JobRecord) -> list[LoggedEvent]:
    """The events of a straight life (store/lua/include/history.lua), with its end."""
    events: list[LoggedEvent] = []

    def tell(event: str, status: str, at: int, attempt: int, *, outcome: str = "") -> None:
        worker = record.worker if attempt else ""
        code, message = (
            (record.error_code, record.error_message)
            if at == record.ended_at and event.endswith(status)
            else ("", "")
        )
        events.append(
            LoggedEvent(len(events) + 1, event, status, at, attempt, worker, outcome, code, message)
        )

    if record.born_pending:
        tell("job_pending", "pending", record.created_at, 0)
    if record.queued_at:
        tell("job_queued", "queued", record.queued_at, 0)
    if record.attempt:
        tell("job_assigned", "assigned", record.assigned_at, 1)
    if record.started_at:
        tell("job_started", "in_progress", record.started_at, 1)
    if record.ended_at:
        tell(
            f"job_{record.state}",
            record.state,
            record.ended_at,
            record.attempt,
            outcome=record.outcome,
        )
    return events
