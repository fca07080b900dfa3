"""The messages of /ws/worker, both directions. Source: contract.md, "WebSocket".

`id` is repeated as `reply_to` by whatever answers; `timestamp` is Unix ms and ignored.
Fields are as in messages/rest.py, where their rules are explained.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from empq.messages.rest import Attempt, HeldJob, JobId, Name, Preview, Reason, WorkerId

MaxJobs = Annotated[int, Meta(ge=1, le=1000)]
WaitMs = Annotated[int, Meta(ge=0, le=600_000)]
DEFAULT_WAIT_MS = 30_000
PROTOCOL = 1


class Message(msgspec.Struct, tag_field="type", kw_only=True, forbid_unknown_fields=True):
    """What every message from a peer may carry."""

    id: str | int | None = None
    timestamp: int | None = None


class RegisterWorker(Message, tag="register_worker", kw_only=True):
    """A worker's first message; worker_registered answers."""

    worker_id: WorkerId
    capabilities: dict[str, Any]
    protocol: int
    session: str | None = None
    current_jobs: list[HeldJob] | None = None


class WorkerHeartbeat(Message, tag="worker_heartbeat", kw_only=True):
    """Keeps the lease and the listed attempts alive; worker_heartbeat_ack answers."""

    current_jobs: list[HeldJob]
    status: Name | None = None
    load: dict[str, Any] | None = None
    system_info: dict[str, Any] | None = None
    connector_status: dict[str, dict[str, Any]] | None = None


class UpdateCapabilities(Message, tag="update_capabilities", kw_only=True):
    """A merge patch of the capabilities; ack answers."""

    capability_changes: dict[str, Any]


class ClaimJob(Message, tag="claim_job", kw_only=True):
    """Asks for work; job_assigned answers once per job, no_job when the wait ends."""

    max_jobs: MaxJobs | None = None
    wait_ms: WaitMs | None = None
    claim_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class OfAttempt(Message, kw_only=True):
    """A message about one attempt, with its fencing token."""

    job_id: JobId
    attempt: Attempt
    lease: str | None = None


class JobAcceptedByWorker(OfAttempt, tag="job_accepted_by_worker"):
    """The worker will run the attempt; ack answers."""

    estimated_completion: str | int | float | None = None


class UpdateJobProgress(OfAttempt, tag="update_job_progress"):
    """How far the run is; nothing answers but an error."""

    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    message: str | None = None
    current_step: str | None = None
    preview: Preview | None = None


class CompleteJob(OfAttempt, tag="complete_job"):
    """The result; job_completed_ack answers."""

    result: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    processing_ms: Annotated[float, Meta(ge=0)] | None = None
    artifacts: Annotated[list[str], Meta(max_length=1000)] | None = None


class FailJob(OfAttempt, tag="fail_job", kw_only=True):
    """The run failed; job_failed_ack answers. `retry: false` ends the job at once."""

    error: str
    error_details: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    retry: bool | None = None


class ReleaseJob(OfAttempt, tag="release_job"):
    """The attempt is given back, uncounted; ack answers."""

    reason: Reason | None = None


WorkerMessage = (
    RegisterWorker
    | WorkerHeartbeat
    | UpdateCapabilities
    | ClaimJob
    | JobAcceptedByWorker
    | UpdateJobProgress
    | CompleteJob
    | FailJob
    | ReleaseJob
)


class Reply(msgspec.Struct, tag_field="type", kw_only=True):
    """A message from the hub; `reply_to` is the id of what it answers."""

    reply_to: str | int | None = None


class WorkerRegistered(Reply, tag="worker_registered", kw_only=True):
    """Answers register_worker: `keep` lists jobs to go on with, `stop` those whose runs must end."""

    worker_id: str
    session: str
    lease_ms: int
    heartbeat_ms: int
    keep: list[str]
    stop: list[str]


class Ack(Reply, tag="ack"):
    """The message has had its effect."""


class NoJob(Reply, tag="no_job"):
    """A claim's wait has ended."""


class JobCompletedAck(Reply, tag="job_completed_ack", kw_only=True):
    """The result stands."""

    job_id: str


class JobFailedAck(Reply, tag="job_failed_ack", kw_only=True):
    """The failure stands, and whether the job runs again."""

    job_id: str
    retry_scheduled: bool
    retry_delay_ms: int | None


class ErrorMessage(Reply, tag="error", kw_only=True):
    """A message was refused; the connection stays. `details` names fields as REST does."""

    error_code: str
    error: str
    details: list[dict[str, str]] | None = None


class CancelJob(msgspec.Struct, tag_field="type", tag="cancel_job"):
    """The job was cancelled or timed out: the run is to end."""

    job_id: str
    attempt: int
    reason: str | None


class Drain(msgspec.Struct, tag_field="type", tag="drain", omit_defaults=True):
    """Take nothing new, finish what is held; release what still runs at the deadline."""

    deadline_seconds: float | None = None


class ServerDisconnect(msgspec.Struct, tag_field="type", tag="server_disconnect"):
    """The hub is about to close the connection."""

    reason: str
    reconnect_after_ms: int
