"""Calls about jobs: submit, read, list, change, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from empq.api.job_requests import (
    MOST_BATCH_BODY_BYTES,
    MOST_SINGLE_BODY_BYTES,
    batch_of,
    checked,
)
from empq.api.problems import problem
from empq.api.request import Request
from empq.api.response import Response, encode, joined, json_response
from empq.api.services import Services
from empq.errors import EmpqError, InvalidField
from empq.messages.rest import (
    CancelRequest,
    JobFilters,
    JobRequest,
    Nothing,
    PriorityRequest,
    Submitted,
)
from empq.queue.job_view import LIST_FIELDS, JobView
from empq.queue.submission import IdempotencyKey

LISTED = set(LIST_FIELDS)
REPLAYED = [(b"content-type", b"application/json"), (b"idempotent-replayed", b"true")]


class FieldsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`fields` narrows a job to these, separated by commas."""

    fields: str | None = None


class ListQuery(JobFilters):
    """Filters and paging of GET /api/jobs."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: str | None = None


class WaitQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How long GET /api/jobs/{id}/wait holds its answer back."""

    timeout_seconds: Annotated[float, Meta(ge=0, le=3600)] = 30.0


async def submit_job(services: Services, request: Request) -> Response:
    """POST /api/jobs."""
    job = checked(await request.decode(JobRequest, MOST_SINGLE_BODY_BYTES))
    key = _idempotency_key(request, "submit")
    submitted, replayed = await services.submissions.submit(job, key)
    return Response(201, encode(submitted), *((REPLAYED,) if replayed else ()))


async def submit_batch(services: Services, request: Request) -> Response:
    """POST /api/jobs/batch."""
    request.body = await request.read(MOST_BATCH_BODY_BYTES)
    items, partial = batch_of(request.body)
    key = _idempotency_key(request, "batch")
    results, replayed = await services.submissions.submit_batch(items, partial, key)
    jobs = [_item(result) for result in results]
    return Response(201, encode({"jobs": jobs}), *((REPLAYED,) if replayed else ()))


async def read_job(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}."""
    fields = _fields(request.query(FieldsQuery).fields)
    view = await services.reader.job(request.job_id())
    return Response(200, view.encode(fields))


async def list_jobs(services: Services, request: Request) -> Response:
    """GET /api/jobs."""
    query = request.query(ListQuery)
    views, cursor = await services.reader.page(filters_of(query), query.limit, query.cursor)
    rest = b',"next_cursor":' + encode(cursor)
    return Response(200, joined(b"jobs", [view.encode(LISTED) for view in views], rest))


async def wait_for_job(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}/wait."""
    seconds = request.query(WaitQuery).timeout_seconds
    job_id = request.job_id()
    view = await request.unless_disconnected(services.reader.wait(job_id, seconds))
    return Response(200, view.encode(None))


async def cancel_job(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/cancel."""
    job_id, body = request.job_id(), await request.decode(CancelRequest)
    await services.transitions.cancel(job_id, body.reason)
    return await _job(services, job_id)


async def retry_job(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/retry."""
    job_id = request.job_id()
    await request.decode(Nothing)
    key = _idempotency_key(request, f"retry:{job_id}")
    submitted, replayed = await services.submissions.retry(job_id, key)
    return Response(201, encode(submitted), *((REPLAYED,) if replayed else ()))


async def reprioritise_job(services: Services, request: Request) -> Response:
    """PATCH /api/jobs/{job_id}."""
    job_id, body = request.job_id(), await request.decode(PriorityRequest)
    await services.transitions.reprioritise(job_id, body.priority)
    return await _job(services, job_id)


async def delete_job(services: Services, request: Request) -> Response:
    """DELETE /api/jobs/{job_id}."""
    job_id = request.job_id()
    await services.transitions.delete(job_id)
    await services.artifacts.forget(job_id)
    return Response(204)


async def explain_job(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}/explain."""
    limit = request.query(ExplainQuery).limit
    return json_response(200, await services.explaining.explain(request.job_id(), limit))


class ExplainQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many workers an explanation lists."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


def filters_of(query: JobFilters) -> JobFilters:
    """The filters alone, without the paging."""
    return JobFilters(**{name: getattr(query, name) for name in JobFilters.__struct_fields__})


async def _job(services: Services, job_id: str) -> Response:
    return Response(200, (await services.reader.job(job_id)).encode(None))


def _fields(text: str | None) -> set[str] | None:
    if text is None:
        return None
    names = set(text.split(","))
    if unknown := sorted(names.difference(JobView.__struct_fields__)):
        raise InvalidField.at("/fields", f"a job has no field {unknown[0]!r}")
    return names


def _item(result: Submitted | EmpqError) -> object:
    return {"error": problem(result)} if isinstance(result, EmpqError) else result


def _idempotency_key(request: Request, call: str) -> IdempotencyKey | None:
    key = request.idempotency_key()
    return (
        None if key is None else IdempotencyKey(f"{request.caller.name}:{call}", key, request.body)
    )
