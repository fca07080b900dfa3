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


class WorkerEvent(msgspec.Struct, array_like=True):
    """One change of one worker: registered (detail: the session it replaced), status, disconnected."""

    worker_id: str
    type: str
    session: str = ""
    detail: str = ""


def event_id(version: int) -> str:
    """An event's id: opaque to clients, rises within a job, sorts as text."""
    return f"{version:08x}"


def version_of(identifier: str) -> int | None:
    """The inverse; None where it is no event id."""
    try:
        return int(identifier, 16) if len(identifier) == 8 else None
    except ValueError:
        return None
