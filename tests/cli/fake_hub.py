"""A stand-in of a hub for the command line: canned answers by method and path, every request noted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"


class FakeHub:
    """`answers["GET /api/jobs"]` is one Answer, or several for one call after the other."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.answers: dict[str, list[Answer]] = {}

    def answer(self, call: str, *answers: object, status: int = 200) -> None:
        self.answers[call] = [
            one if isinstance(one, Answer) else Answer(status, json.dumps(one).encode())
            for one in answers
        ]

    def problem(self, call: str, status: int, code: str, detail: str) -> None:
        body = json.dumps({"title": code, "status": status, "code": code, "detail": detail})
        self.answers[call] = [Answer(status, body.encode(), "application/problem+json")]

    def found(self, request: Request) -> Answer:
        self.requests.append(request)
        queue = self.answers.get(f"{request.method} {request.path.partition('?')[0]}")
        if not queue:
            return Answer(404, b'{"detail": "no such job", "code": "not_found"}')
        return queue.pop(0) if len(queue) > 1 else queue[0]


@contextmanager
def running() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = hub.found(Request(self.command, self.path, dict(self.headers), body))
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        do_GET = do_POST = answer_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
