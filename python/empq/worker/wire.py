"""The messages of /ws/worker as the worker reads and writes them. Source: contract.md, "WebSocket".

Unknown fields and unknown types of a newer hub are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from empq.connectors.base import Job

PROTOCOL = 1
SUBPROTOCOL = "empq.v1"


class AttemptKey(NamedTuple):
    """Which attempt a message is about."""

    job_id: str
    attempt: int

    @property
    def report_id(self) -> str:
        """The `id` of a report that must be acknowledged."""
        return f"r:{self.job_id}:{self.attempt}"

    @property
    def notice_id(self) -> str:
        """The `id` of an accept or a progress, whose ack nobody waits for."""
        return f"n:{self.job_id}:{self.attempt}"


def key_of(reply_to: str | None) -> tuple[str, AttemptKey] | None:
    """The kind ("r" or "n") and the attempt that an `id` made above names."""
    kind, _, rest = (reply_to or "").partition(":")
    job_id, _, attempt = rest.rpartition(":")
    return (kind, AttemptKey(job_id, int(attempt))) if attempt.isdigit() else None


class Assignment(Job, kw_only=True):
    """A job that this worker got, with the lease that its reports must carry."""

    lease: str | None = None
    accept_timeout_ms: int | None = None

    @property
    def key(self) -> AttemptKey:
        """The attempt's name."""
        return AttemptKey(self.job_id, self.attempt)


class HeldJob(msgspec.Struct, omit_defaults=True):
    """An attempt that is held, or is to be stopped or cancelled."""

    job_id: str
    attempt: int
    reason: str | None = None


class Inbound(msgspec.Struct, tag_field="type", kw_only=True):
    """A message from the hub."""

    reply_to: str | None = None


class WorkerRegistered(Inbound, tag="worker_registered"):
    """Answers register_worker; nothing else may be sent before it."""

    session: str
    lease_ms: int
    heartbeat_ms: int
    keep: list[str] = []
    stop: list[str] = []


class WorkerHeartbeatAck(Inbound, tag="worker_heartbeat_ack"):
    """Answers a heartbeat and says which runs must end."""

    cancel: list[HeldJob] = []
    stop: list[HeldJob] = []
    drain: bool = False


class JobAssigned(Inbound, tag="job_assigned"):
    """One of the `count` jobs that a claim brought."""

    assignment: Assignment
    index: int = 0
    count: int = 1


class NoJob(Inbound, tag="no_job"):
    """A claim's wait has ended."""


class Ack(Inbound, tag="ack"):
    """Answers an accept, a release, a change of capabilities."""


class JobCompletedAck(Inbound, tag="job_completed_ack"):
    """The result stands."""

    job_id: str


class JobFailedAck(Inbound, tag="job_failed_ack"):
    """The failure stands."""

    job_id: str
    retry_scheduled: bool = False
    retry_delay_ms: float | None = None


class HubError(Inbound, tag="error"):
    """A message was refused."""

    error_code: str = ""
    error: str = ""
    details: Any = None


class CancelJob(Inbound, tag="cancel_job"):
    """The job's owner no longer wants it."""

    job_id: str
    attempt: int = 0
    reason: str | None = None


class Drain(Inbound, tag="drain"):
    """Take nothing new; release what still runs at the deadline."""

    deadline_seconds: float | None = None


class ServerDisconnect(Inbound, tag="server_disconnect"):
    """The hub is about to close the connection."""

    reason: str = ""
    reconnect_after_ms: float | None = None


HubMessage = (
    WorkerRegistered
    | WorkerHeartbeatAck
    | JobAssigned
    | NoJob
    | Ack
    | JobCompletedAck
    | JobFailedAck
    | HubError
    | CancelJob
    | Drain
    | ServerDisconnect
)

_batch = msgspec.json.Decoder(list[HubMessage])
_single = msgspec.json.Decoder(HubMessage)
_parts = msgspec.json.Decoder(list[msgspec.Raw])


def decode(frame: bytes) -> Iterator[HubMessage]:
    """The messages of one frame, those of unknown types left out."""
    batched = frame[:1] == b"["
    try:
        return iter(_batch.decode(frame) if batched else (_single.decode(frame),))
    except msgspec.DecodeError:
        return _known(frame, batched)


def _known(frame: bytes, batched: bool) -> Iterator[HubMessage]:
    try:
        parts = _parts.decode(frame) if batched else [msgspec.Raw(frame)]
    except msgspec.DecodeError:
        return
    for part in parts:
        try:
            yield _single.decode(part)
        except msgspec.DecodeError:
            continue


class Outbound(msgspec.Struct, tag_field="type", kw_only=True, omit_defaults=True):
    """A message to the hub."""

    id: str | None = None


class RegisterWorker(Outbound, tag="register_worker"):
    """The first message of every connection."""

    worker_id: str
    capabilities: dict[str, Any]
    protocol: int
    current_jobs: list[HeldJob]
    session: str | None = None


class WorkerHeartbeat(Outbound, tag="worker_heartbeat"):
    """Keeps alive what it lists, and only that."""

    current_jobs: list[HeldJob]
    status: str | None = None
    system_info: dict[str, Any] | None = None
    connector_status: dict[str, dict[str, Any]] | None = None


class UpdateCapabilities(Outbound, tag="update_capabilities"):
    """A merge patch."""

    capability_changes: dict[str, Any]


class ClaimJob(Outbound, tag="claim_job"):
    """Asks for up to max_jobs; `id` is the claim_id."""

    max_jobs: int
    wait_ms: int
    claim_id: str


class OfAttempt(Outbound, kw_only=True):
    """A message about one attempt, with its fencing token."""

    job_id: str
    attempt: int
    lease: str | None = None


class JobAcceptedByWorker(OfAttempt, tag="job_accepted_by_worker"):
    """The run is about to begin."""


class UpdateJobProgress(OfAttempt, tag="update_job_progress"):
    """How far it is."""

    progress: float | None = None
    message: str | None = None
    current_step: str | None = None
    preview: dict[str, str] | None = None


class CompleteJob(OfAttempt, tag="complete_job"):
    """The result; sent until it is acknowledged."""

    result: msgspec.Raw | None = None
    processing_ms: int | None = None
    artifacts: list[str] | None = None


class FailJob(OfAttempt, tag="fail_job"):
    """The failure; sent until it is acknowledged."""

    error: str
    error_details: dict[str, Any] | None = None
    retry: bool = True


class ReleaseJob(OfAttempt, tag="release_job"):
    """The attempt is given back; sent until it is acknowledged."""

    reason: str | None = None


encode = msgspec.json.Encoder().encode
