"""The messages of /ws/client, both directions. Source: contract.md, "WebSocket".

`id` is repeated as `reply_to` by whatever answers.
"""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta

from empq.messages.rest import JobId, JobRequest, Priority, Reason, Status
from empq.messages.worker import Message, Reply

IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=255)]
Cursor = Annotated[str, Meta(min_length=1, max_length=200)]


def _fields_of_a_job() -> list[Any]:
    """JobRequest's fields, its `type` as `job_type`: the message's own `type` says what it is."""
    kinds = get_type_hints(JobRequest, include_extras=True)
    return [
        (
            "job_type" if field.name == "type" else field.name,
            kinds[field.name],
            msgspec.field(default=field.default)
            if field.default_factory is NODEFAULT
            else msgspec.field(default_factory=field.default_factory),
        )
        for field in msgspec.structs.fields(JobRequest)
    ]


#: A job as POST /api/jobs takes it, its type as `job_type`, and `idempotency_key`; job_accepted answers.
SubmitJob = msgspec.defstruct(
    "SubmitJob",
    [*_fields_of_a_job(), ("idempotency_key", IdempotencyKey | None, None)],
    bases=(Message,),
    tag="submit_job",
    kw_only=True,
    forbid_unknown_fields=True,
    module=__name__,
)


def job_request_of(message: Any) -> JobRequest:
    """The request that a SubmitJob carries."""
    others = {
        name: getattr(message, name) for name in JobRequest.__struct_fields__ if name != "type"
    }
    return JobRequest(type=message.job_type, **others)


class CancelJob(Message, tag="cancel_job", kw_only=True):
    """Cancels a job; job_cancelled answers."""

    job_id: JobId
    reason: Reason | None = None


class RequestJobStatus(Message, tag="request_job_status", kw_only=True):
    """Asks for a job; response_job_status answers with the whole of it."""

    job_id: JobId


class SubscribeJob(Message, tag="subscribe_job", kw_only=True):
    """Asks for a job's events; `since` is the last event_id that is known already."""

    job_id: JobId
    since: Cursor | None = None


class NotificationFilters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All given ones must hold; within a list one of its values."""

    customer_id: str | None = None
    job_types: list[str] | None = None
    status: list[Status] | None = None
    priority_min: Priority | None = None
    workflow_id: str | None = None


class SubscribeJobNotifications(Message, tag="subscribe_job_notifications", kw_only=True):
    """Asks for the events of all jobs that pass the filters."""

    filters: NotificationFilters | None = None
    since: Cursor | None = None


class SubscribeStats(Message, tag="subscribe_stats", kw_only=True):
    """Asks for statistics every so many seconds: a snapshot first, then stats_broadcast."""

    interval_seconds: Annotated[float, Meta(ge=0.1, le=3600)] | None = None


class Unsubscribe(Message, tag="unsubscribe", kw_only=True):
    """Ends a subscription; ack answers."""

    subscription: str


class Ping(Message, tag="ping"):
    """pong answers."""


ClientMessage: Any = (
    SubmitJob
    | CancelJob
    | RequestJobStatus
    | SubscribeJob
    | SubscribeJobNotifications
    | SubscribeStats
    | Unsubscribe
    | Ping
)


class Subscribed(Reply, tag="job_notifications_subscribed", kw_only=True):
    """The subscription stands; its events follow."""

    subscription: str


class Pong(Reply, tag="pong"):
    """Answers ping."""
