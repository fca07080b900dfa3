"""The hub as a raw ASGI application: finds the route, authorises, answers; every error becomes a problem.

The calls themselves stand in route_table.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from empq.api import openapi, problems
from empq.api.asgi import Receive, Scope, Send
from empq.api.authentication import Authentication
from empq.api.client_socket import ClientSocket
from empq.api.request import CallerGone, Request, Waits
from empq.api.response import Response, encode
from empq.api.route_table import ROUTES
from empq.api.routing import Route, Router
from empq.api.services import Services
from empq.api.socket_connection import OpenSockets, SocketConnection
from empq.api.worker_socket import WorkerSocket
from empq.errors import EmpqError, NotFound, StartRefused, Unavailable

SOCKETS: dict[str, Callable[[Services, SocketConnection], WorkerSocket | ClientSocket]] = {
    "/ws/worker": WorkerSocket,
    "/ws/client": ClientSocket,
}

log = logging.getLogger(__name__)


class Application:
    """Call it as ASGI 3.0. `on_startup` and `on_shutdown` run with the server's lifespan, where it has one."""

    def __init__(
        self,
        services: Services,
        authentication: Authentication,
        *,
        on_startup: Callable[[], Awaitable[None]] | None = None,
        on_shutdown: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.sockets = OpenSockets()
        self._waits = Waits()
        self._answering = 0
        self._none_answering = asyncio.Event()
        self._services = services
        self._authentication = authentication
        self._on_startup, self._on_shutdown = on_startup, on_shutdown
        routes = (
            *ROUTES,
            Route("GET", "/openapi.json", self._tell_openapi, "This document", is_open=True),
        )
        self._router = Router(routes)
        self._openapi = encode(openapi.document(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, one socket, or the server's lifespan."""
        if scope["type"] == "http":
            await self._serve_request(Request(scope, receive, self._waits), send)
        elif scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)

    async def stop(self) -> None:
        """Answers the calls that wait and closes the sockets, each with word of the restart."""
        self._waits.end()
        await self.sockets.close()

    async def idle(self) -> None:
        """Waits until no request is being answered."""
        if self._answering:
            self._none_answering.clear()
            await self._none_answering.wait()

    async def _serve_request(self, request: Request, send: Send) -> None:
        self._answering += 1
        try:
            await self._serve_counted(request, send)
        finally:
            self._answering -= 1
            if not self._answering:
                self._none_answering.set()

    async def _serve_counted(self, request: Request, send: Send) -> None:
        try:
            response = await self._respond(request)
        except EmpqError as error:
            response = Response(*problems.encoded(error, request.id))
            await request.discard_rest()
        except CallerGone:
            return
        except Exception:
            response = Response(*problems.encoded(_unexpected(request), request.id))
        try:
            await response.send(request, send)
        except CallerGone:
            return
        except Exception:
            log.exception(
                "answer_broken method=%s path=%s", request.scope["method"], request.scope["path"]
            )

    async def _respond(self, request: Request) -> Response:
        method, path = request.scope["method"], request.scope["path"]
        # As it was sent, so that a name may hold a slash: /api/customers/a%2Fb.
        sent = request.scope.get("raw_path", b"")
        if b"%2F" in sent or b"%2f" in sent:
            route, values, allowed = self._router.find(method, sent.decode("ascii", "replace"))
            request.path = {name: unquote(value) for name, value in values.items()}
        else:
            route, request.path, allowed = self._router.find(method, path)
        if route is None or not route.is_open:
            request.caller = self._authentication.caller(request.scope["headers"])
        if route is not None:
            return await route.handler(self._services, request)
        if not allowed:
            raise NotFound(f"no such path: {path[:200]}")
        _, body, headers = problems.encoded(
            NotFound(f"{path[:200]} takes {', '.join(allowed)}, not {method}"), request.id, 405
        )
        return Response(405, body, [*headers, (b"allow", ", ".join(allowed).encode())])

    async def _tell_openapi(self, services: Services, request: Request) -> Response:
        return Response(200, self._openapi)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = SOCKETS.get(scope["path"])
        connection = SocketConnection(scope, receive, send, self.sockets)
        if kind is None:
            await connection.refuse()
        elif await connection.open(self._authentication):
            await connection.serve(kind(self._services, connection))

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if self._on_startup is not None:
                await self._on_startup()
        except StartRefused as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        if self._on_shutdown is not None:
            await self._on_shutdown()
        await send({"type": "lifespan.shutdown.complete"})


def _unexpected(request: Request) -> EmpqError:
    log.exception(
        "request_failed request_id=%s method=%s path=%s",
        request.id,
        request.scope["method"],
        request.scope["path"],
    )
    return Unavailable(f"the hub met an error of its own; its log names request {request.id}")
