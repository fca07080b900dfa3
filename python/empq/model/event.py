"""What is told of jobs and workers: by the log to every hub, by a hub to its subscribers."""

from __future__ import annotations

import msgspec


class JobEvent(msgspec.Struct):
    """One change of one job. `event_id` rises within the job; `at` is ms. Absent texts are ""."""

    type: str
    event_id: str
    job_id: str
    status: str
    attempt: int
    at: int
    worker_id: str = ""
    customer_id: str = ""
    job_type: str = ""
    workflow_id: str = ""
    priority: int = 0
    outcome: str = ""
    error_code: str = ""
    error_message: str = ""
    retry_at: int = 0
    progress: float | None = None
    message: str | None = None
    current_step: str | None = None


class LogRow(msgspec.Struct, array_like=True):
    """One job event as the log holds it; becomes a JobEvent where somebody listens."""

    job_id: str
    type: str
    status: str
    version: int
    at: int
    attempt: int
    worker_id: str
    customer_id: str
    job_type: str
    workflow_id: str
    priority: int
    outcome: str
    error_code: str
    error_message: str
    retry_at: int

    def event(self) -> JobEvent:
        """What clients are told."""
        return JobEvent(
            self.type, event_id(self.version), self.job_id, self.status, self.attempt, self.at, self.worker_id,
            self.customer_id, self.job_type, self.workflow_id, self.priority, self.outcome, self.error_code,
            self.error_message, self.retry_at,
        )  # fmt: skip


class ProgressRow(msgspec.Struct, array_like=True):
    """One job's latest progress as it is published: `report` is percent (-1: not said), message, current step."""

    job_id: str
    version: int
    attempt: int
    worker_id: str
    customer_id: str
    job_type: str
    workflow_id: str
    priority: int
    report: tuple[float, str, str]
    at: int = 0
    type: str = "job_update"
    status: str = "in_progress"
    outcome: str = ""

    def event(self) -> JobEvent:
        """What clients are told; an absent part is None."""
        percent, message, step = self.report
        return JobEvent(
            self.type, event_id(self.version), self.job_id, self.status, self.attempt, self.at, self.worker_id,
            self.customer_id, self.job_type, self.workflow_id, self.priority,
            progress=percent if percent >= 0 else None, message=message or None, current_step=step or None,
        )  # fmt: skip


class WorkerEvent(msgspec.Struct, array_like=True):
    """One change of one worker: registered (detail: the session it replaced), status, disconnected.

    `deadline_ms`: of a drain, 0 for none. Changes of the whole data set (pauses, customers, settings) have no worker id.
    """

    worker_id: str
    type: str
    session: str = ""
    detail: str = ""
    deadline_ms: int = 0


def event_id(version: int) -> str:
    """An event's id: opaque to clients, rises within a job, sorts as text."""
    return f"{version:08x}"


def version_of(identifier: str) -> int | None:
    """The inverse; None where it is no event id."""
    try:
        return int(identifier, 16) if len(identifier) == 8 else None
    except ValueError:
        return None
