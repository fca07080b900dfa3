"""Bodies of the REST calls that name jobs. Source: contract.md, "A job"."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

Priority = Annotated[int, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


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
    requirements: msgspec.Raw | None = None
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

    status: str | None = None
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
