"""Who calls: the admin key in the Authorization header or, on sockets, in a subprotocol; never in the query string."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import NamedTuple

from empq.errors import Unauthenticated

SUBPROTOCOL = "empq.v1"
BEARER_SUBPROTOCOL = "empq.bearer."


class Caller(NamedTuple):
    """Whoever a valid key stands for; the name is part of the scope of idempotency keys."""

    name: str


ADMIN = Caller("admin")


class Authentication:
    """Knows the admin key; without one (--no-auth) every caller is the admin."""

    def __init__(self, admin_key: str | None) -> None:
        self._key = None if admin_key is None else admin_key.encode()

    def caller(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """The caller of a request. Raises Unauthenticated."""
        if self._key is None:
            return ADMIN
        for name, value in headers:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                if scheme.lower() == b"bearer":
                    return self._holder(token.strip())
        raise Unauthenticated("this call needs the header Authorization: Bearer <key>")

    def socket_caller(
        self, headers: Iterable[tuple[bytes, bytes]], subprotocols: Iterable[str]
    ) -> Caller:
        """The caller who opens a socket. Raises Unauthenticated."""
        for offered in subprotocols:
            if self._key is not None and offered.startswith(BEARER_SUBPROTOCOL):
                return self._holder(_decoded(offered.removeprefix(BEARER_SUBPROTOCOL)))
        return self.caller(headers)

    def _holder(self, token: bytes) -> Caller:
        if self._key is None or not hmac.compare_digest(token, self._key):
            raise Unauthenticated("the key is not valid")
        return ADMIN


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Unauthenticated(f"{BEARER_SUBPROTOCOL}… must end in the key as base64url") from None
