"""Calls of a worker about an attempt: accept, progress, complete, fail, release."""

from __future__ import annotations

from empq.api.request import Request
from empq.api.response import Response, json_response
from empq.api.services import Services
from empq.errors import InvalidField, TooLarge
from empq.messages.codec import bytes_of
from empq.messages.rest import (
    AcceptRequest,
    CompleteRequest,
    FailRequest,
    OfAttempt,
    Preview,
    ProgressReport,
    ProgressRequest,
    ReleaseRequest,
)
from empq.queue.transitions import Token

MOST_RESULT_BYTES = 1 << 20
MOST_PREVIEW_BYTES = 256 << 10
MOST_BODY_BYTES = MOST_RESULT_BYTES + (1 << 20)


async def accept_attempt(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/accept."""
    job_id, body = request.job_id(), await request.decode(AcceptRequest)
    await services.transitions.accept(job_id, _token(body))
    return Response(200, b"{}")


async def report_progress(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/progress."""
    job_id, body = request.job_id(), await request.decode(ProgressRequest)
    report = ProgressReport(
        progress=body.progress,
        message=body.message,
        current_step=body.current_step,
        preview=preview_of(body.preview),
    )
    await services.transitions.progress(job_id, _token(body), report)
    return Response(200, b"{}")


async def complete_attempt(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/complete."""
    job_id, body = request.job_id(), await request.decode(CompleteRequest, MOST_BODY_BYTES)
    result = bytes_of(body.result, "/result", MOST_RESULT_BYTES)
    names = artifacts_of(services, job_id, body.attempt, body.artifacts)
    await services.transitions.complete(job_id, _token(body), result, names)
    return json_response(200, {"job_id": job_id})


async def fail_attempt(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/fail."""
    job_id, body = request.job_id(), await request.decode(FailRequest, MOST_BODY_BYTES)
    details = bytes_of(body.error_details, "/error_details", MOST_RESULT_BYTES)
    ack = await services.transitions.fail(
        job_id, _token(body), body.error, details, body.retry is not False
    )
    return json_response(
        200,
        {
            "job_id": job_id,
            "retry_scheduled": ack.retry_scheduled,
            "retry_delay_ms": ack.retry_delay_ms,
        },
    )


async def release_attempt(services: Services, request: Request) -> Response:
    """POST /api/jobs/{job_id}/release."""
    job_id, body = request.job_id(), await request.decode(ReleaseRequest)
    await services.transitions.release(job_id, _token(body), body.reason)
    return Response(200, b"{}")


def artifacts_of(
    services: Services, job_id: str, attempt: int, names: list[str] | None
) -> list[str] | None:
    """The names that a complete makes the job's: those it gives, else all that the attempt uploaded."""
    uploaded = [artifact.name for artifact in services.artifacts.listing(job_id, attempt)]
    if names is None:
        return uploaded or None
    for index, name in enumerate(names):
        if name not in uploaded:
            raise InvalidField.at(
                f"/artifacts/{index}", f"{name[:80]!r} was not uploaded by attempt {attempt}"
            )
    return names


def preview_of(preview: Preview | None) -> tuple[str, bytes] | None:
    """The preview's type and bytes, within the limit."""
    if preview is None:
        return None
    if len(preview.data) > MOST_PREVIEW_BYTES:
        raise TooLarge(
            f"/preview/data has {len(preview.data)} bytes; at most {MOST_PREVIEW_BYTES} are taken"
        )
    return preview.content_type, preview.data


def _token(body: OfAttempt) -> Token:
    return Token(body.worker_id, body.attempt, body.lease)
