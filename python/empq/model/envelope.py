"""A job's envelope: what is said of it and never changes, encoded once at submission.

Layout: 8 hex digits (bytes of details), 8 hex digits (bytes of the assignment before its payload),
details (JSON), assignment (JSON whose last field is the payload, as sent). An assignment is spliced
into frames undecoded; the payload is never decoded at all.
"""

from __future__ import annotations

import msgspec

HEADER = 16
PAYLOAD = b',"payload":'


class Details(msgspec.Struct, omit_defaults=True):
    """What the job says of itself that no worker needs."""

    metadata: dict[str, str] = {}
    depends_on: list[str] = []


class InputFile(msgspec.Struct):
    """Where a worker finds one input."""

    url: str
    size_bytes: int | None = None
    sha256: str | None = None


class AssignmentHead(msgspec.Struct):
    """The assignment without its token, priority and payload."""

    job_type: str
    customer_id: str | None
    inputs: dict[str, InputFile]
    requirements: msgspec.Raw
    timeout_seconds: float | int
    accept_timeout_ms: int
    trace: str | None


_encode = msgspec.json.Encoder().encode
_details = msgspec.json.Decoder(Details)
_head = msgspec.json.Decoder(AssignmentHead)


class Envelope(msgspec.Struct):
    """A decoded envelope; `payload` is empty where only its beginning was read."""

    details: Details
    head: AssignmentHead
    payload: bytes


def seal(details: Details, head: AssignmentHead, payload: bytes) -> bytes:
    """The envelope's bytes."""
    first, second = _encode(details), _encode(head)[:-1]
    return b"%08x%08x%b%b%b%b}" % (len(first), len(second), first, second, PAYLOAD, payload)


def opening_bytes(envelope: bytes) -> int:
    """How many bytes of it hold everything but the payload."""
    return HEADER + int(envelope[:8], 16) + int(envelope[8:HEADER], 16)


def open_envelope(envelope: bytes) -> Envelope:
    """Decodes all but the payload, which is cut out."""
    start = HEADER + int(envelope[:8], 16)
    end = start + int(envelope[8:HEADER], 16)
    return Envelope(
        _details.decode(envelope[HEADER:start]),
        _head.decode(envelope[start:end] + b"}"),
        envelope[end + len(PAYLOAD) : -1],
    )


def assignment(envelope: bytes, job_id: str, attempt: int, lease: str, priority: int) -> bytes:
    """The assignment of one attempt: a JSON object, the payload spliced in as sent."""
    start = HEADER + int(envelope[:8], 16)
    token = f'{{"job_id":"{job_id}","attempt":{attempt},"lease":"{lease}","priority":{priority},'
    return token.encode() + envelope[start + 1 :]
