"""Calls an ASGI application in this process: requests and sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from empq.api.application import Application


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


async def call(
    app: Application,
    method: str,
    path: str,
    body: bytes | dict[str, Any] = b"",
    headers: dict[str, str] | None = None,
    *,
    hang_up: asyncio.Event | None = None,
) -> Answer:
    """One request; with `hang_up` the caller disconnects when that is set."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    path, _, query = path.partition("?")
    parts = [raw[i : i + 65536] for i in range(0, len(raw), 65536)] or [b""]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        await (hang_up or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    told = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:]))


class Socket:
    """A client's end of one socket."""

    def __init__(self, app: Application, path: str, subprotocols: list[str] | None = None) -> None:
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [],
            "subprotocols": subprotocols or [],
        }
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(app(scope, self._in.get, self._out.put))

    async def message(self) -> dict[str, Any]:
        """The next ASGI message from the application."""
        async with asyncio.timeout(10):
            return await self._out.get()

    def send(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    async def frame(self) -> Any:
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def close(self, code: int) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": code})
        async with asyncio.timeout(10):
            await self.task
