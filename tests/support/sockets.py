"""One WebSocket as any client or worker speaks it, on top of the websockets library."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SECONDS = 40.0


class Socket:
    """Sends messages, waits for those of a kind; keeps what it passed over."""

    def __init__(self, port: int, path: str, key: str | None, **options: Any) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        opened = connect(
            f"ws://127.0.0.1:{port}{path}",
            additional_headers=headers,
            open_timeout=SECONDS,
            close_timeout=5,
            max_size=None,
            **options,
        )
        self._stack = ExitStack()
        self.connection: ClientConnection = self._stack.enter_context(opened)
        self._waiting: list[dict[str, Any]] = []
        self._ids = 0

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """A clean close (1000)."""
        self._stack.close()

    def send(self, type: str, **fields: Any) -> int:
        """Sends one message with an id of its own, which is returned."""
        self._ids += 1
        self.send_text(json.dumps({"type": type, "id": self._ids, **fields}))
        return self._ids

    def send_text(self, text: str) -> None:
        self.connection.send(text)

    def frame(self) -> Any:
        """The next frame, decoded."""
        return json.loads(self.connection.recv(timeout=SECONDS))

    def expect(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next message of this type with these fields; others stay for later."""
        until = time.monotonic() + SECONDS
        while True:
            for index, message in enumerate(self._waiting):
                if message["type"] == type and fields.items() <= message.items():
                    return self._waiting.pop(index)
            assert time.monotonic() < until, f"no {type} {fields}; seen: {self._waiting}"
            frame = self.frame()
            self._waiting += frame if isinstance(frame, list) else [frame]

    def expect_one_of(self, types: Collection[str], reply_to: int) -> dict[str, Any]:
        """The reply to a message, of one of these types; all else is dropped."""
        while True:
            frame = self.frame()
            for message in frame if isinstance(frame, list) else [frame]:
                if message["type"] in types and message.get("reply_to") == reply_to:
                    return message

    def messages(self) -> Iterator[dict[str, Any]]:
        """All that comes, until the connection ends."""
        yield from self._waiting
        try:
            for text in self.connection:
                frame = json.loads(text)
                yield from frame if isinstance(frame, list) else [frame]
        except ConnectionClosed:
            return

    def break_off(self) -> None:
        """Ends the connection without a word, as a machine that dies does."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)

    def ask(self, type: str, reply: str, **fields: Any) -> dict[str, Any]:
        """Sends a message and waits for its reply."""
        return self.expect(reply, reply_to=self.send(type, **fields))

    def closed_with(self) -> int | None:
        """Reads to the end of the connection: its close code."""
        try:
            while True:
                frame = self.frame()
                self._waiting += frame if isinstance(frame, list) else [frame]
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    @property
    def unread(self) -> list[dict[str, Any]]:
        """What came and was not asked for."""
        return self._waiting
