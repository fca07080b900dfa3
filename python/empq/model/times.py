"""Times as the contract writes them: RFC 3339 UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

from empq.errors import InvalidField

#: The last that can be written again.
LATEST_MS = 253_402_300_799_999


def rfc3339(unix_ms: int) -> str | None:
    """A time in ms; None for 0 (not set)."""
    if not unix_ms:
        return None
    seconds, ms = divmod(unix_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def unix_ms(text: str, pointer: str) -> int:
    """ms of an RFC 3339 time with an offset. Raises InvalidField."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidField.at(
            pointer, f"{text!r} is not an RFC 3339 time such as 2026-11-25T09:30:00Z"
        ) from None
    if moment.tzinfo is None:
        raise InvalidField.at(pointer, f"{text!r} has no offset; write Z for UTC")
    moment_ms = round(moment.timestamp() * 1000)
    if moment_ms > LATEST_MS:
        raise InvalidField.at(pointer, f"{text!r} is after the year 9999 of UTC")
    return max(1, moment_ms)  # 0 stands for "not set", and before 1970 everything is past alike
