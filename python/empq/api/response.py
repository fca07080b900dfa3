"""Answers: whole ones and streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from empq.api.asgi import Headers, Send
from empq.api.request import CallerGone, Request
from empq.errors import Unavailable

JSON: Headers = [(b"content-type", b"application/json")]

encode = msgspec.json.Encoder().encode


class Response:
    """A whole answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers = JSON) -> None:
        self.status, self.body, self.headers = status, body, headers

    async def send(self, request: Request, send: Send) -> None:
        """Writes it; a HEAD request gets the headers alone."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        if self.status == 204:
            headers = []
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if request.scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


class Stream(Response):
    """An answer that is made while it is read; its source is closed when the caller hangs up."""

    __slots__ = ("source",)

    def __init__(self, status: int, source: AsyncGenerator[bytes, None], headers: Headers) -> None:
        super().__init__(status, b"", headers)
        self.source = source

    async def send(self, request: Request, send: Send) -> None:
        """Writes it part by part."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if request.scope["method"] == "HEAD":
            await self.source.aclose()
        else:
            try:
                await request.unless_disconnected(self._pump(send))
            except CallerGone:
                return
            except Unavailable:
                pass  # the hub stops: the stream ends here, its reader resumes elsewhere
        await send({"type": "http.response.body", "body": b""})

    async def _pump(self, send: Send) -> None:
        async with aclosing(self.source) as source:
            async for part in source:
                await send({"type": "http.response.body", "body": part, "more_body": True})


def json_response(status: int, value: Any) -> Response:
    """The value as JSON."""
    return Response(status, encode(value))


def joined(name: bytes, parts: Iterable[bytes], rest: bytes = b"") -> bytes:
    """`{"name":[part,…]rest}` of parts that are JSON already."""
    return b'{"%b":[%b]%b}' % (name, b",".join(parts), rest)
