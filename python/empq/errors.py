"""Every error that empq raises for a user, one class per situation.

    EmpqError
      BadJson                 400 bad_json
      Unauthenticated         401 unauthenticated
      Forbidden               403 forbidden
      NotFound                404 not_found
      StaleAttempt            409 stale_attempt
      WrongState              409 wrong_state
      WorkerReplaced          409 worker_replaced
      EventsGone              410 events_gone
      TooLarge                413 too_large
      InvalidField            422 invalid_field
      UnknownField            422 unknown_field
      UnknownDependency       422 unknown_dependency
      IdempotencyMismatch     422 idempotency_mismatch
      RateLimited             429 rate_limited
      QuotaExceeded           429 quota_exceeded
      Unavailable             503 unavailable
      NotReady                503 not_ready
      StorageFull             507 storage_full
    StartRefused              a process that cannot start; its text is the whole message

`code` is stable: the same word stands in REST, WebSocket, Lua, the command line and the docs.
HTTP statuses are in api/problems.py only.
"""

from __future__ import annotations

from typing import NamedTuple


class FieldError(NamedTuple):
    """One refused value: its JSON pointer (RFC 6901) and the rule that it breaks."""

    pointer: str
    detail: str


class EmpqError(Exception):
    """An error with a stable `code` and a sentence that says what to do."""

    code = "unavailable"

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class BadJson(EmpqError):
    """The body is not JSON."""

    code = "bad_json"


class Unauthenticated(EmpqError):
    """No valid key came with the call."""

    code = "unauthenticated"


class Forbidden(EmpqError):
    """The key is valid and may not do this."""

    code = "forbidden"


class NotFound(EmpqError):
    """No such object, or not the caller's."""

    code = "not_found"


class StaleAttempt(EmpqError):
    """The message is not from the job's current attempt."""

    code = "stale_attempt"


class WrongState(EmpqError):
    """The job's state does not allow this."""

    code = "wrong_state"


class WorkerReplaced(EmpqError):
    """A newer registration of the same worker id took over."""

    code = "worker_replaced"


class EventsGone(EmpqError):
    """The cursor points before what is kept."""

    code = "events_gone"


class TooLarge(EmpqError):
    """A limit of size or count is exceeded."""

    code = "too_large"


class InvalidField(EmpqError):
    """A field's value breaks a rule; `errors` names it."""

    code = "invalid_field"

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidField:
        """The error for one value."""
        return cls(f"{pointer or 'the body'}: {detail}", errors=(FieldError(pointer, detail),))


class UnknownField(EmpqError):
    """A field that the contract does not know; `errors` names it."""

    code = "unknown_field"

    @classmethod
    def at(cls, pointer: str, hint: str = "") -> UnknownField:
        """The error for one field; `hint`: what may have been meant."""
        detail = f"unknown field; {hint}" if hint else "unknown field"
        return cls(f"{pointer}: {detail}", errors=(FieldError(pointer, detail),))


class UnknownDependency(EmpqError):
    """`depends_on` names a job that does not exist or is another customer's."""

    code = "unknown_dependency"


class IdempotencyMismatch(EmpqError):
    """The Idempotency-Key was used with another body."""

    code = "idempotency_mismatch"


class RateLimited(EmpqError):
    """Too many calls."""

    code = "rate_limited"


class QuotaExceeded(EmpqError):
    """A customer's quota is used up."""

    code = "quota_exceeded"


class Unavailable(EmpqError):
    """Redis cannot be reached, or cannot answer now."""

    code = "unavailable"


class NotDurable(Unavailable):
    """The change is made, but its durability was not confirmed in time; a repeat is harmless."""


class NotReady(EmpqError):
    """The hub is starting: its index is not complete yet."""

    code = "not_ready"


class StorageFull(EmpqError):
    """Redis has reached its maxmemory; submissions are refused, the queue drains."""

    code = "storage_full"


class StartRefused(Exception):
    """A process cannot start; the text says why and what to do."""


def all_errors() -> dict[str, type[EmpqError]]:
    """Code to class, of every error above."""
    return {error.code: error for error in EmpqError.__subclasses__()}
