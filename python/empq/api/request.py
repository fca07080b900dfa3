"""One HTTP request: its path's and query's values, its body within a limit, and whether its caller is still there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from empq.api.asgi import Receive, Scope
from empq.api.authentication import Caller
from empq.errors import InvalidField, NotFound, TooLarge, Unavailable
from empq.messages.codec import decode, refusal
from empq.model.identifiers import JOB_ID, WORKER_ID

SMALL_BODY = 1 << 20
KEY_LENGTH = 255
DISCARD_BYTES = 128 << 20
DISCARD_SECONDS = 10.0

T = TypeVar("T")


class CallerGone(Exception):
    """The caller has closed the connection; nobody reads an answer."""


class Waits:
    """Calls that wait for something to happen, so that a stopping hub can answer them at once."""

    def __init__(self) -> None:
        self._futures: set[asyncio.Future[Any]] = set()
        self._are_over = False

    def add(self, future: asyncio.Future[Any]) -> None:
        """Lets it run until it is done or the hub stops."""
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        if self._are_over:
            future.cancel()

    def end(self) -> None:
        """Ends all, and those to come."""
        self._are_over = True
        for future in list(self._futures):
            future.cancel()


class Request:
    """What a handler sees of a call; `caller` is set once the call is authorised."""

    __slots__ = (
        "_id",
        "_is_read",
        "_receive",
        "_size",
        "_stated",
        "_waits",
        "body",
        "caller",
        "path",
        "scope",
    )

    caller: Caller

    def __init__(self, scope: Scope, receive: Receive, waits: Waits | None = None) -> None:
        self.scope = scope
        self._waits = Waits() if waits is None else waits
        self.path: dict[str, str] = {}
        self.body = b""
        self._receive = receive
        self._is_read = False
        self._size = 0
        self._stated: int | None = None
        self._id: str | None = None

    @property
    def id(self) -> str:
        """Names this request in its problem and in the log; made when first asked for."""
        if self._id is None:
            self._id = secrets.token_hex(8)
        return self._id

    def header(self, name: bytes) -> str | None:
        """The first header of this lower-case name."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value.decode("latin-1")
        return None

    def job_id(self) -> str:
        """The path's job id; one of an impossible form is nobody's."""
        job_id = self.path["job_id"]
        if not JOB_ID.match(job_id):
            raise NotFound(f"no job {job_id[:80]!r}")
        return job_id

    def worker_id(self) -> str:
        """The path's worker id; one of an impossible form is nobody's."""
        worker_id = self.path["worker_id"]
        if not WORKER_ID.match(worker_id):
            raise NotFound(f"no worker {worker_id[:80]!r}")
        return worker_id

    def query(self, kind: type[T]) -> T:
        """The query string as a struct; what breaks a rule is named like a body's field: /limit."""
        pairs = dict(
            parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        )
        try:
            return msgspec.convert(pairs, kind, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(error) from None

    async def decode(self, kind: type[T], most: int = SMALL_BODY) -> T:
        """The body as a struct; an empty body is an empty object. `body` keeps its bytes."""
        self.body = await self.read(most)
        return decode(_decoder(kind), self.body or b"{}")

    async def read(self, most: int) -> bytes:
        """The whole body. Raises TooLarge as soon as it is known to have more than `most` bytes."""
        first = await self._part(most)
        if self._is_read:
            return first
        parts = [first]
        while not self._is_read:
            parts.append(await self._part(most))
        return b"".join(parts)

    async def chunks(self, most: int) -> AsyncIterator[bytes]:
        """The body as it arrives, within the same limit."""
        while not self._is_read:
            if part := await self._part(most):
                yield part

    async def _part(self, most: int) -> bytes:
        if self._stated is None:
            stated = self.header(b"content-length")
            self._stated = int(stated) if stated is not None and stated.isdecimal() else -1
            if self._stated > most:
                raise TooLarge(f"the body has {stated} bytes; at most {most} are taken here")
        part = await self._next_part()
        if self._size > most:
            raise TooLarge(f"the body has more than the {most} bytes that are taken here")
        return part

    async def _next_part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        part: bytes = message.get("body", b"")
        self._size += len(part)
        # granian tells the end in a message of its own, which need not be waited for
        self._is_read = not message.get("more_body", False) or self._size == self._stated
        return part

    async def discard_rest(self) -> None:
        """Reads past what is left of a refused body: most clients look for the answer only when all is sent."""
        with contextlib.suppress(TimeoutError, CallerGone):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._is_read and self._size < DISCARD_BYTES:
                    await self._next_part()

    async def disconnected(self) -> None:
        """Returns when the caller has closed the connection; for use once the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def unless_disconnected(self, work: Awaitable[T]) -> T:
        """The work's result; it is cancelled where the caller hangs up (CallerGone) or the hub stops (Unavailable)."""
        self._is_read = True
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self.disconnected())
        self._waits.add(task)
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise CallerGone
            if task.cancelled():
                raise Unavailable("the hub is stopping; try again")
            return task.result()
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header."""
        key = self.header(b"idempotency-key")
        if key is not None and not 1 <= len(key) <= KEY_LENGTH:
            raise InvalidField.at("/Idempotency-Key", f"1 to {KEY_LENGTH} characters")
        return key


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
