"""Plain HTTP as any client speaks it: bytes in, bytes out, one connection per call."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

SECONDS = 60.0


class Answer(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str | None:
        """The code of a problem."""
        return self.json.get("code") if self.raw else None

    @property
    def pointers(self) -> list[str]:
        """The fields that a problem names."""
        return [error["pointer"] for error in self.json.get("errors", [])]


class Pending:
    """A call that was sent and not yet answered."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def answer(self) -> Answer:
        try:
            response = self._connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            self._connection.close()

    def hang_up(self) -> None:
        """Resets the connection, as a caller that dies does."""
        assert self._connection.sock
        linger = struct.pack("ii", 1, 0)
        self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()


class Http:
    """Calls one hub with one key (None: without)."""

    def __init__(self, port: int, key: str | None) -> None:
        self.port, self.key = port, key

    def begin(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Pending:
        """Sends the call; a body that is not bytes goes as JSON."""
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, raw, sent | (headers or {}))
        except BaseException:
            connection.close()
            raise
        return Pending(connection)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        return self.begin(method, path, body, headers).answer()

    def get(self, path: str) -> Any:
        """The body of a call that is to succeed."""
        answer = self("GET", path)
        assert answer.status == 200, answer
        return answer.json

    @contextmanager
    def events(self, job_id: str, last: str | None = None) -> Iterator[Iterator[dict[str, Any]]]:
        """A job's server-sent events, as {id, event, data}; the iterator ends where the hub ends the stream."""
        headers = {} if last is None else {"Last-Event-ID": last}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", f"/api/jobs/{job_id}/events", headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            assert response.getheader("content-type") == "text/event-stream"
            with response:
                yield _events(response)
        finally:
            connection.close()


def _events(lines: Any) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = json.loads(value) if name == "data" else value
        elif "event" in event:
            yield event
            event = {}
