"""One socket: opened and authorised, read in batches, written in few frames, closed with the contract's codes.

A connection has one task that reads, one that answers and one that writes. What arrives while a round trip is under
way is answered together by the next one, in order. Knows no message by name but error and server_disconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from empq.api.asgi import Receive, Scope, Send
from empq.api.authentication import SUBPROTOCOL, Authentication, Caller
from empq.errors import EmpqError, Unauthenticated, Unavailable
from empq.messages.codec import Malformed, MessageCodec
from empq.messages.worker import ErrorMessage, ServerDisconnect

MOST_MESSAGE_BYTES = 10 << 20
MOST_UNANSWERED = 4096
MOST_UNSENT_BYTES = 32 << 20
ROOM_BYTES = 1 << 20
MOST_FRAME_MESSAGES = 256
SEND_SECONDS = 20.0
CLOSE_SECONDS = 2.0
DRAIN_SECONDS = 10.0
RECONNECT_AFTER_MS = 1000

TOO_LARGE, RESTART, SLOW_READER = 1009, 1012, 1013
NOT_AUTHENTICATED, NOT_REGISTERED, REPLACED = 4001, 4002, 4009

log = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode


class Peer(Protocol):
    """What a kind of socket does with its messages."""

    codec: MessageCodec[Any]

    async def answer(self, messages: Sequence[Any]) -> list[bytes | None]:
        """The immediate reply to each message, where it has one."""
        ...

    def replied(self) -> None:
        """The replies are queued: what may only follow them can be sent."""
        ...

    async def closed(self, code: int | None) -> None:
        """The connection is over; `code` is the one that the peer sent, None where it sent none."""
        ...


class OpenSockets:
    """The sockets of this process, so that a restart can be announced to all."""

    def __init__(self) -> None:
        self._open: set[SocketConnection] = set()
        self._none_open = asyncio.Event()

    def add(self, connection: SocketConnection) -> None:
        """Counts it in."""
        self._open.add(connection)

    def discard(self, connection: SocketConnection) -> None:
        """Counts it out."""
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()

    def __len__(self) -> int:
        return len(self._open)

    async def close(self) -> None:
        """Announces the restart to every peer, closes with 1012, and waits until all are gone."""
        last = encode(ServerDisconnect("the hub is stopping", RECONNECT_AFTER_MS))
        for connection in list(self._open):
            connection.close(RESTART, "restart", last)
        self._none_open.clear()
        if self._open:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_SECONDS):
                    await self._none_open.wait()


class SocketConnection:
    """One connection, from its handshake to its end."""

    caller: Caller

    def __init__(self, scope: Scope, receive: Receive, send: Send, sockets: OpenSockets) -> None:
        self._scope, self._receive, self._send, self._sockets = scope, receive, send, sockets
        self._frames: list[tuple[Sequence[Any], bool]] = []
        self._unanswered = 0
        self._arrived, self._answered = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._outbox: list[tuple[bytes, bool]] = []
        self._unsent_bytes = 0
        self._unsent, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._takes_batches = False
        self._is_dead = self._is_stuck = False
        self._closing: tuple[int, str] | None = None
        self._peer_code: int | None = None

    async def refuse(self) -> None:
        """Answers the handshake of a path that has no socket (HTTP 403)."""
        await self._receive()
        await self._send({"type": "websocket.close"})

    async def open(self, authentication: Authentication) -> bool:
        """Accepts; a caller without a valid key is closed with 4001, which only an open socket can tell."""
        await self._receive()
        offered: list[str] = self._scope.get("subprotocols") or []
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self._send({"type": "websocket.accept", "subprotocol": chosen})
        try:
            self.caller = authentication.socket_caller(self._scope["headers"], offered)
        except Unauthenticated as error:
            await self._send(
                {"type": "websocket.close", "code": NOT_AUTHENTICATED, "reason": error.detail}
            )
            return False
        return True

    async def serve(self, peer: Peer) -> None:
        """Serves the peer until either side ends the connection."""
        self._sockets.add(self)
        loop = asyncio.get_running_loop()
        reader = loop.create_task(self._read(peer))
        answerer = loop.create_task(self._answer(peer))
        writer = loop.create_task(self._write())
        try:
            await asyncio.wait((reader, answerer, writer), return_when=asyncio.FIRST_COMPLETED)
            if self._closing is not None and writer.done() and not self._is_stuck:
                reader.cancel()  # granian sends no close while a receive is pending
                await asyncio.wait((reader,))
                await self._send_close(*self._closing)
            self._ended = self._is_dead = True
            self._arrived.set()
            await asyncio.wait((answerer,), timeout=DRAIN_SECONDS)  # what has arrived still counts
        finally:
            self._sockets.discard(self)
            for task in (reader, answerer, writer):
                task.cancel()
            await asyncio.wait((reader, answerer, writer))
            for task in (reader, answerer, writer):
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.error("socket_failed path=%s", self._scope["path"], exc_info=error)
            await peer.closed(self._peer_code)

    def send(self, *messages: bytes) -> None:
        """Queues messages; those of one tick share frames where the peer itself sends batches."""
        for message in messages:
            self._queue(message, False)

    def close(self, code: int, reason: str = "", last: bytes | None = None) -> None:
        """Closes once what is queued, and the last message, is sent."""
        if self._closing is None:
            if last is not None:
                self._queue(last, True)
            self._closing = code, reason
            self._unsent.set()

    async def room(self) -> None:
        """Waits until little is queued: for sources that can hold back."""
        await self._room.wait()

    def _queue(self, text: bytes, is_frame: bool) -> None:
        if self._is_dead or self._closing is not None:
            return
        self._outbox.append((text, is_frame))
        self._unsent_bytes += len(text)
        self._unsent.set()
        if self._unsent_bytes > ROOM_BYTES:
            self._room.clear()
            if self._unsent_bytes > MOST_UNSENT_BYTES:
                self.close(SLOW_READER, "slow reader")

    # ---------------------------------------------------------------- reading and answering

    async def _read(self, peer: Peer) -> None:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                self._peer_code = message.get("code") if self._closing is None else None
                return
            text: str | None = message.get("text")
            frame: bytes = text.encode() if text is not None else message.get("bytes") or b""
            if len(frame) > MOST_MESSAGE_BYTES:
                self.close(TOO_LARGE, f"a message has at most {MOST_MESSAGE_BYTES} bytes")
                await self._ignore()
                return
            messages, batched = peer.codec.decode(frame)
            self._takes_batches |= batched
            self._frames.append((messages, batched))
            self._unanswered += len(messages)
            self._arrived.set()
            while self._unanswered > MOST_UNANSWERED:
                self._answered.clear()
                await self._answered.wait()

    async def _ignore(self) -> None:
        while (await self._receive())["type"] == "websocket.receive":
            pass

    async def _answer(self, peer: Peer) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            frames, self._frames = self._frames, []
            if not frames and self._ended:
                return
            replies = iter(await peer.answer([one for messages, _ in frames for one in messages]))
            for messages, batched in frames:
                own = [reply for reply in (next(replies) for _ in messages) if reply is not None]
                if not batched:
                    self.send(*own)
                elif own:
                    self._queue(b"[%b]" % b",".join(own), True)
            peer.replied()
            self._unanswered = sum(len(messages) for messages, _ in self._frames)
            self._answered.set()
            if self._ended:
                self._arrived.set()

    # ---------------------------------------------------------------- writing

    async def _write(self) -> None:
        """A peer that does not read holds `send` up, and then no close gets through either: it is dropped."""
        try:
            while True:
                await self._unsent.wait()
                self._unsent.clear()
                queued, self._outbox = self._outbox, []
                for frame, size in self._framed(queued):
                    async with asyncio.timeout(SEND_SECONDS):
                        await self._send({"type": "websocket.send", "text": frame.decode()})
                    self._unsent_bytes -= size
                    if self._unsent_bytes <= ROOM_BYTES:
                        self._room.set()
                if self._closing is not None and not self._outbox:
                    return
        except TimeoutError:
            self._is_stuck = True
            log.warning("slow_reader path=%s seconds=%s", self._scope["path"], SEND_SECONDS)
        except (RuntimeError, OSError):
            self._is_stuck = True
            log.debug("peer_gone path=%s", self._scope["path"])
        finally:
            self._is_dead = True
            self._room.set()

    async def _send_close(self, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError, RuntimeError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _framed(self, queued: list[tuple[bytes, bool]]) -> Iterable[tuple[bytes, int]]:
        if not self._takes_batches:
            return ((text, len(text)) for text, _ in queued)
        return _merged(queued)


def _merged(queued: list[tuple[bytes, bool]]) -> Iterable[tuple[bytes, int]]:
    """Neighbouring single messages as arrays of at most 256 messages and about 1 MiB."""
    loose: list[bytes] = []
    size = 0
    for text, is_frame in queued:
        if loose and (is_frame or len(loose) == MOST_FRAME_MESSAGES or size > ROOM_BYTES):
            yield _array(loose), size
            loose, size = [], 0
        if is_frame:
            yield text, len(text)
        else:
            loose.append(text)
            size += len(text)
    if loose:
        yield _array(loose), size


def _array(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else b"[%b]" % b",".join(messages)


def error_message(error: BaseException, reply_to: str | int | None) -> bytes:
    """The error as a message; one that is not of empq's own is logged and told as unavailable."""
    if isinstance(error, Malformed):
        return error_message(error.error, error.reply_to)
    if not isinstance(error, EmpqError):
        log.error("message_failed", exc_info=error)
        error = Unavailable("the hub met an error of its own; its log has more")
    details = [{"pointer": field.pointer, "detail": field.detail} for field in error.errors]
    return encode(
        ErrorMessage(
            reply_to=reply_to, error_code=error.code, error=error.detail, details=details or None
        )
    )


def tagged(kind: str, reply_to: str | int | None, body: bytes) -> bytes:
    """A reply made of a JSON object that is encoded already."""
    head = b'{"type":"%b","reply_to":%b' % (kind.encode(), encode(reply_to))
    return head + (b"," if len(body) > 2 else b"") + body[1:]
