"""A hub that answers from a script, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from empq.client import Client


class AnsweringHub:
    """`answers` are (status, body) for the next calls; `streams` texts for the next event streams."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, Any]] = []
        self.streams: list[str] = []
        self.notices: list[Any] = []
        self.calls: list[tuple[str, str, Any, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        told = json.loads(body) if body else None
        self.calls.append((request.method, request.path_qs, told, dict(request.headers)))
        if request.path.endswith("/events"):
            return await self._stream(request)
        status, answer = self.answers.pop(0)
        headers = {"Retry-After": "7"} if status == 429 else {}
        if isinstance(answer, bytes):
            return web.Response(status=status, body=answer, headers=headers)
        return web.json_response(answer, status=status, headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self.streams.pop(0).encode())
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("empq.v1",))
        await socket.prepare(request)
        asked = await socket.receive_json()
        self.calls.append(("WS", socket.ws_protocol or "", asked, dict(request.headers)))
        for notice in self.notices:
            await socket.send_json(notice)
        return socket


@pytest.fixture
async def hub() -> AsyncIterator[AnsweringHub]:
    hub = AnsweringHub()
    app = web.Application()
    app.router.add_get("/ws/client", hub.socket)
    app.router.add_route("*", "/{rest:.*}", hub.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield hub
    await runner.cleanup()


@pytest.fixture
async def client(hub: AnsweringHub) -> AsyncIterator[Client]:
    async with Client(hub.url, "key") as made:
        yield made
