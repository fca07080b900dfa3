"""The socket to the hub: connect, register, send, receive, heartbeat, and again when it breaks.

Whoever was frozen for longer than a lease must not send before it has registered again: the writer
looks at the time of the last heartbeat before every frame.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    WebSocketException,
)
from websockets.typing import Subprotocol

from empq.worker.addresses import HubAddress
from empq.worker.exits import NotAllowed, RegistrationRefused, Replaced
from empq.worker.wire import (
    SUBPROTOCOL,
    HubError,
    HubMessage,
    Outbound,
    ServerDisconnect,
    WorkerRegistered,
    decode,
    encode,
)

log = logging.getLogger(__name__)

MAX_MESSAGE = 16 * 1024 * 1024
#: Frames stay well below the hub's limit of 10 MiB a message.
LARGEST_FRAME = 1024 * 1024
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.1, 10.0
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
#: A connection that lasted this long ends the growth of the delays.
STABLE_SECONDS = 5.0

CLOSED_NOT_AUTHENTICATED, CLOSED_REPLACED = 4001, 4009
RETRIED_ERRORS = frozenset({"unavailable", "not_ready", "rate_limited", "storage_full"})


class LinkOwner(Protocol):
    """What the link asks of the worker."""

    def registration(self) -> Outbound:
        """The first message of a connection."""
        ...

    def registered(self, answer: WorkerRegistered) -> None:
        """The connection is open: everything unsettled may be queued."""
        ...

    def heartbeat(self) -> Outbound:
        """The message of every heartbeat_ms."""
        ...

    def outgoing(self) -> list[bytes]:
        """What is due now; called when the link was woken."""
        ...

    def received(self, message: HubMessage) -> None:
        """One message."""
        ...


def now() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class HubLink:
    """Keeps one registered connection as long as `run` runs."""

    def __init__(self, address: HubAddress, token: str | None, owner: LinkOwner) -> None:
        self._address = address
        self._token = token
        self._owner = owner
        self._wake = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._failures = 0
        self._delay_ms: float | None = None
        self._lease = self._interval = 0.0
        self._beat_at = self._heard_at = 0.0
        self._closing = False
        self._pending_beat = False

    @property
    def is_registered(self) -> bool:
        """Whether what is sent now has a chance to arrive."""
        return self._socket is not None

    def wake(self) -> None:
        """Something is due; the frame leaves when the loop comes to it."""
        self._wake.set()

    def beat(self) -> None:
        """A heartbeat out of turn, for news that cannot wait."""
        self._pending_beat = True
        self._wake.set()

    def reconnect(self, reason: str) -> None:
        """Drops the connection without a close frame, so that the hub releases nothing."""
        if self._socket is not None:
            log.info("reconnecting reason=%s", reason)
            self._socket.transport.abort()
            self._socket = None

    async def run(self) -> None:
        """Until `close`; raises WorkerExit where going on makes no sense."""
        while not self._closing:
            began = now()
            try:
                await self._connection()
            except (OSError, TimeoutError, WebSocketException) as error:
                self._note_failure(error)
            if now() - began > STABLE_SECONDS:
                self._failures = 0
            if not self._closing:
                await asyncio.sleep(self._delay())

    async def close(self) -> None:
        """The clean end: the hub releases at once what is still held."""
        self._closing = True
        if self._socket is not None:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._socket.close(1000)
            except TimeoutError:
                self._socket.transport.abort()

    async def _connection(self) -> None:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        async with asyncio.timeout(OPEN_SECONDS):
            socket = await connect(
                self._address.socket,
                additional_headers=headers,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                max_size=MAX_MESSAGE,
                max_queue=1024,
                proxy=None,
                ping_interval=None,
                close_timeout=CLOSE_SECONDS,
            )
        try:
            await self._register(socket)
            with self._open(socket):
                await self._receive(socket)
        except ConnectionClosed:
            self._judge_close(socket.close_code)
            raise
        finally:
            socket.transport.abort()

    async def _register(self, socket: ClientConnection) -> None:
        await socket.send(encode(self._owner.registration()), text=True)
        self._beat_at = now()
        async with asyncio.timeout(OPEN_SECONDS):
            registered = False
            while not registered:
                for message in decode(await socket.recv(decode=False)):
                    if isinstance(message, WorkerRegistered):
                        registered = True
                        self._lease = message.lease_ms / 1000
                        self._interval = message.heartbeat_ms / 1000
                        self._beat_at = self._heard_at = now()
                        self._owner.registered(message)
                    elif registered:
                        self._owner.received(message)
                    elif isinstance(message, HubError):
                        _judge_refusal(message)
                        raise ConnectionError(f"{message.error_code}: {message.error}")

    @contextmanager
    def _open(self, socket: ClientConnection) -> Generator[None]:
        self._socket = socket
        self._wake.set()
        tasks = [
            asyncio.create_task(self._write(socket)),
            asyncio.create_task(self._keep_alive(socket)),
        ]
        log.info("connected hub=%s", self._address.http)
        try:
            yield
        finally:
            self._socket = None
            for task in tasks:
                task.cancel()

    async def _receive(self, socket: ClientConnection) -> None:
        while True:
            frame = await socket.recv(decode=False)
            self._heard_at = now()
            for message in decode(frame):
                if isinstance(message, ServerDisconnect):
                    self._delay_ms = message.reconnect_after_ms
                    log.info("hub_disconnects reason=%s", message.reason)
                else:
                    self._owner.received(message)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(0)  # runs that this tick began may end in it too
                self._wake.clear()
                if self._was_frozen():
                    self.reconnect("the process was frozen for longer than a lease")
                    return
                due = self._owner.outgoing()
                if self._pending_beat:
                    # First, so that a claim in the same frame is judged by the news in it.
                    due.insert(0, encode(self._owner.heartbeat()))
                    self._pending_beat = False
                    self._beat_at = now()
                for frame in frames(due):
                    await socket.send(frame, text=True)
        except ConnectionClosed:
            return  # the reader sees it too, and judges

    async def _keep_alive(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if self._was_frozen():
                self.reconnect("the process was frozen for longer than a lease")
                return
            if now() - self._heard_at > self._lease:
                self.reconnect("the hub has been silent for a lease")
                return
            self.beat()

    def _was_frozen(self) -> bool:
        return now() - self._beat_at > self._lease

    def _delay(self) -> float:
        if self._delay_ms is not None:
            delay, self._delay_ms = self._delay_ms / 1000, None
            return delay * random.uniform(1.0, 1.2)
        # Within one heartbeat of the hub's return, so that no lease runs out while it waits for us.
        last = self._interval or LAST_DELAY_SECONDS
        longest = min(last, LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return random.uniform(0, longest)

    def _judge_close(self, code: int | None) -> None:
        if code == CLOSED_REPLACED:
            raise Replaced("another worker has registered with the same id; this one has stopped")
        if code == CLOSED_NOT_AUTHENTICATED:
            raise NotAllowed(self._refused_token())

    def _note_failure(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
            raise NotAllowed(self._refused_token())
        if self._closing:
            return
        level = logging.WARNING if self._failures in (0, 3) else logging.DEBUG
        kind = "not_a_hub" if isinstance(error, InvalidHandshake) else "disconnected"
        log.log(level, "%s hub=%s error=%s (trying again)", kind, self._address.http, error)

    def _refused_token(self) -> str:
        given = "no token was given" if self._token is None else "the token is not accepted"
        return f"{self._address.http}: {given}; state --token or EMPQ_TOKEN"


def _judge_refusal(error: HubError) -> None:
    text = f"the hub refuses this worker: {error.error or error.error_code}"
    if error.error_code in ("unauthenticated", "forbidden"):
        raise NotAllowed(text)
    if error.error_code == "worker_replaced":
        raise Replaced(text)
    if error.error_code not in RETRIED_ERRORS:
        raise RegistrationRefused(text)


def frames(messages: list[bytes]) -> Iterator[bytes]:
    """The messages as few frames: an array where there are several, none above LARGEST_FRAME but for a single large message."""
    part: list[bytes] = []
    size = 0
    for message in messages:
        if part and size + len(message) > LARGEST_FRAME:
            yield _frame(part)
            part, size = [], 0
        part.append(message)
        size += len(message) + 1
    if part:
        yield _frame(part)


def _frame(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"
