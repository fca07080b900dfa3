"""Calls of the REST API over one kept connection, and server-sent events; for commands, so plain and quick to import."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import quote, urlencode, urlsplit

CALL_SECONDS = 60.0
STREAM_SILENCE_SECONDS = 45.0
RECONNECT_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 3.0


class HubUnreachable(Exception):
    """Nobody answers at the address."""


class HubRefused(Exception):
    """The hub answered with an error; the text is its sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class ServerEvent(NamedTuple):
    """One server-sent event: its id ("" where it has none), its name and its data, undecoded."""

    id: str
    name: str
    data: bytes


class Hub:
    """A hub at `url`; calls raise HubUnreachable and HubRefused."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HubUnreachable(f"{url} is not an address like http://127.0.0.1:8000")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._kept: http.client.HTTPConnection | None = None

    def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> bytes:
        """The body of GET path?query; a query value of None is left out."""
        return self.call("GET", path + query_text(query or {}), seconds=seconds)

    def post(
        self, path: str, body: bytes = b"{}", headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer to POST."""
        return self.call("POST", path, body, headers=headers)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        seconds: float = CALL_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """One call; a kept connection that the hub has closed meanwhile is opened again for reading calls."""
        kept = self._kept
        try:
            return self._call(method, path, body, seconds, headers or {})
        except HubUnreachable:
            # A write whose answer was lost may have been done: only a read is sent again.
            if kept is None or method != "GET":
                raise
            return self._call(method, path, body, seconds, headers or {})

    def events(self, path: str, last_id: str = "") -> Generator[ServerEvent, None, None]:
        """The events of a stream, without end: goes on after a broken connection and after a hub's restart."""
        give_up, pause = time.monotonic() + RECONNECT_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            try:
                for event in self._events_once(path, last_id):
                    give_up, pause = time.monotonic() + RECONNECT_SECONDS, FIRST_PAUSE_SECONDS
                    last_id = event.id or last_id
                    yield event
                if time.monotonic() > give_up:
                    raise HubUnreachable(f"the hub at {self.url} keeps ending the stream")
            except HubUnreachable:
                if time.monotonic() > give_up:
                    raise
            except HubRefused as refused:
                if refused.status != 503 or time.monotonic() > give_up:
                    raise
            time.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def close(self) -> None:
        """Closes the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _call(
        self, method: str, path: str, body: bytes | None, seconds: float, more: Mapping[str, str]
    ) -> bytes:
        connection = self._kept or self._connection()
        self._kept = connection
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        headers = {**self._headers, **more}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, self._base + path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from None
        if answer.will_close:
            self.close()
        if answer.status >= 400:
            raise refusal(answer.status, answer.reason, content)
        return content

    def _events_once(self, path: str, last_id: str) -> Generator[ServerEvent, None, None]:
        connection = self._connection()
        connection.timeout = STREAM_SILENCE_SECONDS
        headers = self._headers | {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            connection.request("GET", self._base + path, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise refusal(answer.status, answer.reason, answer.read())
            yield from _parsed(answer)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=CALL_SECONDS)

    def _unreachable(self, error: Exception) -> HubUnreachable:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return HubUnreachable(f"cannot reach the hub at {self.url}: {reason}")


def refusal(status: int, reason: str, content: bytes) -> HubRefused:
    """The error that a problem+json body (or any other) stands for."""
    try:
        problem: object = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return HubRefused(status, "", f"{status} {reason}")
    fields = cast("dict[str, Any]", problem)
    detail = str(fields.get("detail") or fields.get("title") or f"{status} {reason}")
    for error in cast("list[dict[str, str]]", fields.get("errors") or []):
        sentence = f"{error.get('pointer', '')}: {error.get('detail', '')}"
        if sentence not in detail:
            detail += f"\n  {sentence}"
    return HubRefused(status, str(fields.get("code", "")), detail)


def segment(text: str) -> str:
    """One part of a path, whatever characters it has."""
    return quote(text, safe="")


def query_text(query: Mapping[str, object]) -> str:
    """`?a=1&b=2` of the values that are not None, or nothing."""
    stated = {name: str(value) for name, value in query.items() if value is not None}
    return f"?{urlencode(stated)}" if stated else ""


def _parsed(answer: http.client.HTTPResponse) -> Generator[ServerEvent, None, None]:
    identity, name, data = "", "", list[bytes]()
    for raw in answer:
        line = raw.rstrip(b"\r\n")
        if not line:
            if data:
                yield ServerEvent(identity, name, b"\n".join(data))
            identity, name, data = "", "", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"id":
            identity = value.decode()
        elif field == b"event":
            name = value.decode()
