"""The hub's answers as commands and the demo show them; fields that a newer hub adds are ignored. Source: contract.md."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, field

from empq.allinone.rest_calls import HubUnreachable

ENDED = frozenset({"completed", "failed", "timeout", "cancelled"})
T = TypeVar("T")


class Submitted(msgspec.Struct):
    """POST /api/jobs, a retry, and each item of a batch."""

    id: str


class Batch(msgspec.Struct):
    """POST /api/jobs/batch."""

    jobs: list[Submitted]


class JobError(msgspec.Struct):
    """Why a job or an attempt ended otherwise than completed."""

    code: str = ""
    message: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class Attempt(msgspec.Struct):
    """One of a job's attempts."""

    attempt: int
    worker_id: str | None = None
    assigned_at: str | None = None
    ended_at: str | None = None
    outcome: str | None = None
    error: Any = None


class Artifact(msgspec.Struct):
    """One of a job's files."""

    name: str
    size_bytes: int | None = None


class Job(msgspec.Struct):
    """A job; payload and its like stay bytes, so every digit is shown as it was sent."""

    id: str
    type: str
    status: str
    priority: int = 50
    customer_id: str | None = None
    workflow_id: str | None = None
    worker_id: str | None = None
    progress: float | None = None
    message: str | None = None
    current_step: str | None = None
    attempt: int = 0
    position: int | None = None
    estimated_start: str | None = None
    created_at: str | None = None
    queued_at: str | None = None
    assigned_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    run_at: str | None = None
    deadline: str | None = None
    retry_at: str | None = None
    retry_of: str | None = None
    payload: Raw = Raw()
    requirements: Raw = Raw()
    inputs: Raw = Raw()
    result: Raw = Raw()
    metadata: Raw = Raw()
    depends_on: list[str] | None = None
    attempts: list[Attempt] | None = None
    artifacts: list[Artifact] | None = None
    error: JobError | None = None

    @property
    def percent(self) -> str | None:
        """The progress for people."""
        return None if self.progress is None else f"{self.progress:.0f}%"


class Artifacts(msgspec.Struct):
    """GET /api/jobs/{id}/artifacts."""

    artifacts: list[Artifact] = []


class Page(msgspec.Struct):
    """GET /api/jobs."""

    jobs: list[Job]
    next_cursor: str | None = None


class Event(msgspec.Struct):
    """One server-sent event of a job."""

    status: str = ""
    worker_id: str | None = None
    progress: float | None = None
    message: str | None = None
    current_step: str | None = None


class Rejection(msgspec.Struct):
    """One rule that keeps a worker from a job."""

    rule: str
    required: Any = None
    offered: Any = None

    def __str__(self) -> str:
        if self.required is None and self.offered is None:
            return self.rule
        offered = "nothing" if self.offered is None else compact(self.offered)
        if self.required is None:
            return f"{self.rule}: {offered}"
        return f"{self.rule}: needs {compact(self.required)}, offers {offered}"


class Candidate(msgspec.Struct):
    """What explain says of one worker."""

    worker_id: str
    eligible: bool
    score: int | None = None
    rejections: list[Rejection] = []


class Change(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """The one change of the requirements that would open a worker."""

    path: str
    before: Any = None
    after: Any = None


class NearestMiss(msgspec.Struct):
    """The nearest miss of an explanation."""

    change: Change
    worker_id: str
    opens: list[str] | int

    def __str__(self) -> str:
        opened = ", ".join(self.opens) if isinstance(self.opens, list) else self.worker_id
        change = self.change
        return (
            f"{change.path} {compact(change.before)} -> {compact(change.after)} would open {opened}"
        )


class Explanation(msgspec.Struct):
    """GET …/explain and POST /api/match; without workers where the key may not see them."""

    summary: str
    verdict: str
    workers: list[Candidate] = []
    nearest_miss: NearestMiss | None = None


class ExplainedShape(msgspec.Struct):
    """What a worker is to one customer's queued jobs of one shape."""

    count: int
    eligible: bool
    type: str | None = None
    customer_id: str | None = None
    requirements: dict[str, Any] = {}
    rejections: list[Rejection] = []


class WorkerExplanation(msgspec.Struct):
    """GET /api/workers/{id}/explain."""

    summary: str
    shapes: list[ExplainedShape] = []


class Unmet(msgspec.Struct):
    """Jobs that no worker alive can ever take, of one shape."""

    count: int
    reason: str
    type: str | None = None
    oldest_wait_seconds: float | None = None
    nearest_miss: NearestMiss | None = None


class UnmetDemand(msgspec.Struct):
    """The part of GET /api/stats about jobs that nobody can take."""

    total: int = 0
    jobs: int = 0
    shapes: list[Unmet] = []


class Slots(msgspec.Struct):
    """A worker's slots."""

    total: int = 0
    held: int = 0


class Held(msgspec.Struct):
    """A job that a worker holds."""

    job_id: str


class Service(msgspec.Struct):
    """One service of a worker."""

    name: str
    healthy: bool = True

    def __str__(self) -> str:
        return self.name if self.healthy else f"{self.name} (unwell)"


class Hardware(msgspec.Struct):
    """A worker's hardware, as far as the table shows it."""

    gpu_memory_gb: float | None = None


class Capabilities(msgspec.Struct):
    """A worker's capabilities, as far as the table shows them."""

    services: list[Service] = []
    hardware: Hardware | None = None


class Worker(msgspec.Struct):
    """One worker of GET /api/workers."""

    worker_id: str
    status: str
    capabilities: Capabilities = field(default_factory=Capabilities)
    slots: Slots = field(default_factory=Slots)
    current_jobs: list[Held] = []
    last_heartbeat: str | None = None
    jobs_completed: int | None = None
    jobs_failed: int | None = None


class Workers(msgspec.Struct):
    """GET /api/workers."""

    workers: list[Worker]


def read(body: bytes, shape: type[T]) -> T:
    """The answer as that shape. Raises HubUnreachable where something else than a hub answers."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise HubUnreachable(f"what answers there is no empq hub: {error}") from None


def compact(value: object) -> str:
    """A value on one line."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def text(raw: Raw) -> str | None:
    """A field's JSON as it came; None where it is missing, null or empty."""
    content = bytes(raw)
    return None if content in (b"", b"null", b"{}", b"[]") else content.decode(errors="replace")
