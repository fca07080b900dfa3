"""Bodies of the REST calls. Source: contract.md, "REST" and "A job".

A Raw field that was not sent is empty, not None: msgspec decodes no `Raw | None`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Priority = Annotated[int, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
WorkerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
JobId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}\Z")]
#: what Lua's numbers hold exactly, and msgpack at all
Attempt = Annotated[int, Meta(ge=0, le=2**53)]
Reason = Annotated[str, Meta(max_length=1000)]
Status = Literal[
    "pending", "queued", "assigned", "accepted", "in_progress", "completed", "failed", "timeout", "cancelled",
]  # fmt: skip


class JobWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """Where the ends of one job are told."""

    url: str
    events: list[str] | None = None


class JobRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /api/jobs. `payload` and `requirements` stay undecoded bytes.

    Times are RFC 3339; quantities end in their unit. null equals missing.
    """

    type: Name
    payload: msgspec.Raw
    priority: Priority | None = None
    requirements: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    customer_id: str | None = None
    workflow_id: Annotated[str, Meta(max_length=200)] | None = None
    inputs: dict[str, str] | None = None
    max_retries: Annotated[int, Meta(ge=0, le=1000)] | None = None
    retry_delays_seconds: (
        Annotated[
            list[Annotated[float, Meta(ge=0, le=2_592_000)]], Meta(min_length=1, max_length=100)
        ]
        | None
    ) = None
    retry_elsewhere: bool | None = None
    timeout_seconds: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None
    accept_timeout_seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    delay_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    run_at: str | None = None
    deadline: str | None = None
    depends_on: Annotated[list[str], Meta(max_length=1000)] | None = None
    webhook: JobWebhook | None = None
    keep_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    metadata: dict[str, str] | None = None
    ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Submitted(msgspec.Struct):
    """The answer to a submission; `created_at` is RFC 3339 UTC with milliseconds."""

    id: str
    status: str
    position: int | None
    estimated_start: str | None
    created_at: str
    durable: bool | UnsetType = UNSET


class JobFilters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Filters of GET /api/jobs and of the bulk calls; all given ones must hold."""

    status: Status | None = None
    type: str | None = None
    customer_id: str | None = None
    worker_id: str | None = None
    workflow_id: str | None = None


class ProgressReport(msgspec.Struct, kw_only=True):
    """A worker's progress: percent 0..100, free text, and the latest preview as (content type, bytes)."""

    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    message: str | None = None
    current_step: str | None = None
    preview: tuple[str, bytes] | None = None


JsonObject = dict[str, Any]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request's body; fields that the contract does not know are refused by path."""


class Nothing(Request):
    """A body without fields."""


class BatchRequest(Request):
    """The body of POST /api/jobs/batch."""

    jobs: list[JobRequest]
    partial: bool | None = None


class BatchParts(Request):
    """A batch whose items are decoded one by one, so that each invalid one is named."""

    jobs: list[msgspec.Raw]
    partial: bool | None = None


class CancelRequest(Request):
    """The body of POST /api/jobs/{id}/cancel."""

    reason: Reason | None = None


class PriorityRequest(Request):
    """The body of PATCH /api/jobs/{id}."""

    priority: Priority


class BulkRequest(Request):
    """The body of POST /api/jobs/cancel and /api/jobs/retry."""

    filter: JobFilters
    dry_run: bool | None = None


class MatchRequest(Request):
    """The body of POST /api/match; without type the rules on types are skipped."""

    requirements: dict[str, Any] | None = None
    type: str | None = None
    customer_id: str | None = None


class HeldJob(Request):
    """An attempt that a worker holds."""

    job_id: str
    attempt: Attempt


class RegisterWorker(Request):
    """The body of POST /api/workers; `session` and `current_jobs` resume what both sides still hold."""

    worker_id: WorkerId
    capabilities: dict[str, Any]
    session: str | None = None
    current_jobs: list[HeldJob] | None = None


class Registered(msgspec.Struct, kw_only=True):
    """The answer to a registration: jobs to go on with, and jobs whose runs must end."""

    worker_id: str
    session: str
    lease_ms: int
    heartbeat_ms: int
    keep: list[str]
    stop: list[str]


class Heartbeat(Request):
    """What keeps a worker and the listed attempts alive."""

    current_jobs: list[HeldJob]
    status: Name | None = None
    load: dict[str, Any] | None = None
    system_info: dict[str, Any] | None = None
    connector_status: dict[str, dict[str, Any]] | None = None


class HeartbeatRequest(Heartbeat):
    """The body of POST /api/workers/{id}/heartbeat."""

    session: str | None = None


class CancelOrder(msgspec.Struct):
    """An attempt to end, and why."""

    job_id: str
    attempt: int
    reason: str | None = None


class StopOrder(msgspec.Struct):
    """An attempt that is not, or no longer, the worker's."""

    job_id: str
    attempt: int


class HeartbeatAnswer(msgspec.Struct, kw_only=True):
    """The answer to a heartbeat."""

    lease_ms: int
    cancel: list[CancelOrder]
    stop: list[StopOrder]
    drain: bool


class ClaimRequest(Request):
    """The body of POST /api/workers/{id}/claim; `session` fences a replaced registration."""

    claim_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    session: str | None = None


class CapabilityChanges(Request):
    """The body of PATCH /api/workers/{id}: a merge patch."""

    capability_changes: dict[str, Any]


class DrainRequest(Request):
    """The body of POST /api/workers/{id}/drain."""

    deadline_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None


class Preview(Request):
    """A picture of the work so far; `data` is base64 in JSON."""

    content_type: Name
    data: bytes


class PauseRequest(Request):
    """The body of POST /api/pauses."""

    scope: Literal["customer", "service", "type", "worker"]
    name: Annotated[str, Meta(max_length=200)]
    reason: Reason | None = None


class PauseQueueRequest(Request):
    """The body of POST /api/queues/{service}/pause."""

    reason: Reason | None = None


class CustomerRequest(Request):
    """The body of PUT /api/customers/{id}: the whole of its settings."""

    weight: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    max_active: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    max_queued: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None


class OfAttempt(Request):
    """What each message about an attempt carries: its fencing token."""

    worker_id: str
    attempt: Attempt
    lease: str | None = None


class AcceptRequest(OfAttempt):
    """The body of POST /api/jobs/{id}/accept."""

    estimated_completion: str | int | float | None = None


class ProgressRequest(OfAttempt):
    """The body of POST /api/jobs/{id}/progress."""

    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    message: str | None = None
    current_step: str | None = None
    preview: Preview | None = None


class CompleteRequest(OfAttempt):
    """The body of POST /api/jobs/{id}/complete; `result` is kept byte for byte."""

    result: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    processing_ms: Annotated[float, Meta(ge=0)] | None = None
    artifacts: Annotated[list[str], Meta(max_length=1000)] | None = None


class FailRequest(OfAttempt, kw_only=True):
    """The body of POST /api/jobs/{id}/fail; `retry: false` ends the job at once."""

    error: str
    error_details: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    retry: bool | None = None


class ReleaseRequest(OfAttempt):
    """The body of POST /api/jobs/{id}/release."""

    reason: Reason | None = None
