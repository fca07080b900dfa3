"""Forms and making of ids."""

from __future__ import annotations

import os
import re
import secrets
import time

WORKER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
CUSTOMER_LENGTH = 64


def job_id() -> str:
    """A UUIDv7 in canonical form: sortable by time, a valid ComfyUI prompt_id (RFC 9562)."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def uuid7(unix_ms: int, random: bytes) -> str:
    """The UUIDv7 of a time in ms and 10 random bytes; the same input gives the same id."""
    value = (unix_ms & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def lease_token() -> str:
    """A 128-bit random fencing token, base64url, 22 characters."""
    return secrets.token_urlsafe(16)


def session_id() -> str:
    """A worker session's id."""
    return secrets.token_urlsafe(12)


def is_customer(text: str) -> bool:
    """Up to 64 printable characters; "" is the customer of those who name none."""
    return len(text) <= CUSTOMER_LENGTH and (text == "" or text.isprintable())
