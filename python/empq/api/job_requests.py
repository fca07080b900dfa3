"""Jobs as they are sent: bodies to requests, with the limits that a type cannot say."""

from __future__ import annotations

from functools import cache

import msgspec

from empq.errors import BadJson, EmpqError, InvalidField, TooLarge, UnknownField
from empq.messages.codec import bytes_of, decode
from empq.messages.rest import BatchParts, BatchRequest, JobRequest
from empq.queue.submission import InvalidItem

MOST_PAYLOAD_BYTES = 8 << 20
MOST_SINGLE_BODY_BYTES = MOST_PAYLOAD_BYTES + (4 << 20)
MOST_BATCH_BODY_BYTES = 64 << 20
MOST_BATCH_ITEMS = 10_000
MOST_METADATA_PAIRS = 32
MOST_METADATA_BYTES = 256
MOST_NAMED_ITEMS = 100


def checked(request: JobRequest, base: str = "") -> JobRequest:
    """The request, within the limits. Raises InvalidField, TooLarge."""
    if bytes_of(request.payload, f"{base}/payload", MOST_PAYLOAD_BYTES) is None:
        raise InvalidField.at(f"{base}/payload", "required, and null")
    if bytes_of(request.requirements, f"{base}/requirements") is None:
        request.requirements = msgspec.Raw()
    if request.metadata:
        _check_metadata(request.metadata, base)
    return request


def batch_of(body: bytes) -> tuple[list[JobRequest | InvalidItem], bool]:
    """The batch's items in order and whether it is partial.

    In a partial batch what is invalid becomes an InvalidItem; else its errors refuse the whole.
    """
    try:
        batch = decode(_whole(), body)
    except BadJson:
        raise
    except EmpqError as error:
        return _batch_of_parts(body, error)
    if len(batch.jobs) > MOST_BATCH_ITEMS:
        raise TooLarge(f"/jobs has {len(batch.jobs)} items; at most {MOST_BATCH_ITEMS} are taken")
    partial = batch.partial or False
    items: list[JobRequest | InvalidItem] = []
    for index, request in enumerate(batch.jobs):
        try:
            items.append(checked(request, f"/jobs/{index}"))
        except EmpqError as error:
            if not partial:
                raise
            items.append(InvalidItem(error))
    return items, partial


def _batch_of_parts(body: bytes, refused: EmpqError) -> tuple[list[JobRequest | InvalidItem], bool]:
    parts = decode(_parts(), body)
    if len(parts.jobs) > MOST_BATCH_ITEMS:
        raise TooLarge(f"/jobs has {len(parts.jobs)} items; at most {MOST_BATCH_ITEMS} are taken")
    items: list[JobRequest | InvalidItem] = []
    invalid: list[EmpqError] = []
    for index, part in enumerate(parts.jobs):
        base = f"/jobs/{index}"
        try:
            items.append(checked(decode(_one(), bytes(part), base), base))
        except EmpqError as error:
            items.append(InvalidItem(error))
            invalid.append(error)
    if not parts.partial:
        raise _together(invalid, refused)
    return items, True


def _together(invalid: list[EmpqError], refused: EmpqError) -> EmpqError:
    """One error that names the invalid items, the first 100 of them."""
    if not invalid or not isinstance(invalid[0], InvalidField | UnknownField):
        return invalid[0] if invalid else refused
    named = tuple(field for error in invalid[:MOST_NAMED_ITEMS] for field in error.errors)
    others = f" (and {len(invalid) - 1} more invalid items)" if len(invalid) > 1 else ""
    return type(invalid[0])(invalid[0].detail + others, errors=named)


def _check_metadata(metadata: dict[str, str], base: str) -> None:
    if len(metadata) > MOST_METADATA_PAIRS:
        raise TooLarge(
            f"{base}/metadata has {len(metadata)} pairs; at most {MOST_METADATA_PAIRS} are taken"
        )
    for key, value in metadata.items():
        for text in (key, value):
            if len(text.encode()) > MOST_METADATA_BYTES:
                raise TooLarge(
                    f"{base}/metadata: {text[:40]!r}… has more than {MOST_METADATA_BYTES} bytes"
                )


@cache
def _whole() -> msgspec.json.Decoder[BatchRequest]:
    return msgspec.json.Decoder(BatchRequest)


@cache
def _parts() -> msgspec.json.Decoder[BatchParts]:
    return msgspec.json.Decoder(BatchParts)


@cache
def _one() -> msgspec.json.Decoder[JobRequest]:
    return msgspec.json.Decoder(JobRequest)
