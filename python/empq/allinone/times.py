"""RFC 3339 times and lengths of time, for people."""

from __future__ import annotations

from datetime import UTC, datetime


def age(time: str | None) -> str:
    """How long ago a time was, in one unit; a time to come reads "in 5 s"."""
    if not time:
        return "-"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def between(start: str | None, end: str | None) -> float | None:
    """Seconds from one time to another, None where either is missing."""
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
