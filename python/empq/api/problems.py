"""Errors as RFC 9457 problem+json; the only place that knows HTTP statuses."""

from __future__ import annotations

from typing import Any

import msgspec

from empq.errors import EmpqError, all_errors

STATUS = {
    "bad_json": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "stale_attempt": 409,
    "wrong_state": 409,
    "worker_replaced": 409,
    "events_gone": 410,
    "too_large": 413,
    "invalid_field": 422,
    "unknown_field": 422,
    "unknown_dependency": 422,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "quota_exceeded": 429,
    "unavailable": 503,
    "not_ready": 503,
    "storage_full": 507,
}
RETRY_AFTER_SECONDS = {"rate_limited": 1, "quota_exceeded": 10, "unavailable": 2, "not_ready": 1}
CONTENT_TYPE = b"application/problem+json"

_TITLES = {
    code: (kind.__doc__ or code).partition(".")[0].partition(";")[0]
    for code, kind in all_errors().items()
}
_encode = msgspec.json.Encoder().encode


def problem(
    error: EmpqError, request_id: str | None = None, status: int | None = None
) -> dict[str, Any]:
    """The problem's members; inside a batch without a request id, so that a repeat answers the same bytes."""
    told: dict[str, Any] = {
        "type": f"urn:empq:error:{error.code}",
        "title": _TITLES.get(error.code, error.code),
        "status": status or STATUS[error.code],
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        told["errors"] = [
            {"pointer": field.pointer, "detail": field.detail} for field in error.errors
        ]
    if request_id is not None:
        told["request_id"] = request_id
    return told


def encoded(
    error: EmpqError, request_id: str, status: int | None = None
) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and headers of the answer; `status` where the code's own does not say it."""
    headers = [(b"content-type", CONTENT_TYPE)]
    if (seconds := RETRY_AFTER_SECONDS.get(error.code)) is not None:
        headers.append((b"retry-after", str(seconds).encode()))
    if error.code == "unauthenticated":
        headers.append((b"www-authenticate", b"Bearer"))
    told = problem(error, request_id, status)
    return told["status"], _encode(told), headers
