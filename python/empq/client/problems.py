"""From the hub's problem+json to the classes of errors.py."""

from __future__ import annotations

from typing import Any

import msgspec

from empq.errors import (
    EmpqError,
    FieldError,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
    all_errors,
)

#: For answers without a code: what stands between us and the hub made them.
BY_STATUS: dict[int, type[EmpqError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound}


class HubUnreachable(Unavailable):
    """No connection to the hub."""


class Problem(msgspec.Struct):
    """The fields of a problem+json that matter here."""

    title: str = ""
    detail: str = ""
    code: str = ""
    errors: list[dict[str, Any]] = []


def error_of(status: int, body: bytes, retry_after: str | None = None) -> EmpqError:
    """The error that an answer of 400 or more stands for."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        problem = Problem(detail=body[:300].decode(errors="replace").strip())
    kind = all_errors().get(problem.code) or BY_STATUS.get(status, Unavailable)
    fields = tuple(
        FieldError(str(entry.get("pointer", "")), str(entry.get("detail", "")))
        for entry in problem.errors
    )
    text = problem.detail or problem.title or f"the hub answered {status}"
    if retry_after is not None:
        text += f" (try again in {retry_after} s)"
    return kind(text, errors=fields)


def error_of_message(message: dict[str, Any]) -> EmpqError:
    """The error that a WebSocket message of type `error` stands for."""
    kind = all_errors().get(str(message.get("error_code")), Unavailable)
    return kind(str(message.get("error") or message.get("error_code")))
