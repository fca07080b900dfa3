"""Calls that act on all jobs of a filter: cancel and retry, by pages, as many at once as share a round trip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from empq.api.jobs import filters_of
from empq.api.request import Request
from empq.api.response import Response, json_response
from empq.api.services import Services
from empq.errors import NotFound, WrongState
from empq.messages.rest import BulkRequest, JobFilters
from empq.model.lifecycle import ENDED, RETRYABLE, STATES

PAGE = 1000
AT_ONCE = 256
CANCELLABLE = frozenset(STATES) - ENDED


async def cancel_jobs(services: Services, request: Request) -> Response:
    """POST /api/jobs/cancel."""
    body = await request.decode(BulkRequest)
    return await _apply(
        services, body, CANCELLABLE, lambda job_id: services.transitions.cancel(job_id, None)
    )


async def retry_jobs(services: Services, request: Request) -> Response:
    """POST /api/jobs/retry."""
    body = await request.decode(BulkRequest)
    return await _apply(
        services, body, RETRYABLE, lambda job_id: services.submissions.retry(job_id)
    )


async def _apply(
    services: Services,
    body: BulkRequest,
    states: frozenset[str],
    act: Callable[[str], Awaitable[Any]],
) -> Response:
    """Acts on the jobs that are in these states; one that has left them meanwhile is not counted."""
    ids = [job_id async for job_id in _ids(services, filters_of(body.filter), states)]
    if not body.dry_run:
        done: list[str] = []
        for start in range(0, len(ids), AT_ONCE):
            chunk = ids[start : start + AT_ONCE]
            results = await asyncio.gather(
                *(act(job_id) for job_id in chunk), return_exceptions=True
            )
            for job_id, result in zip(chunk, results, strict=True):
                if result is None or not isinstance(result, BaseException):
                    done.append(job_id)
                elif not isinstance(result, WrongState | NotFound):
                    raise result
        ids = done
    return json_response(200, {"count": len(ids), "ids": ids})


async def _ids(
    services: Services, filters: JobFilters, states: frozenset[str]
) -> AsyncIterator[str]:
    cursor: str | None = None
    while True:
        views, cursor = await services.reader.page(filters, PAGE, cursor)
        for view in views:
            if view.status in states:
                yield view.id
        if cursor is None:
            return
