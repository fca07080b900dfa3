"""Calls of operators' tools: is the process alive, may it take work, its metrics."""

from __future__ import annotations

from empq.api.problems import RETRY_AFTER_SECONDS
from empq.api.request import Request
from empq.api.response import JSON, Response, encode, json_response
from empq.api.services import Services
from empq.notify.metrics import CONTENT_TYPE


async def tell_liveness(services: Services, request: Request) -> Response:
    """GET /livez: the process answers."""
    return Response(200, b'{"alive":true}')


async def tell_readiness(services: Services, request: Request) -> Response:
    """GET /readyz: Redis, scripts and index; 503 until all stand."""
    is_ready, parts = services.readiness()
    if is_ready:
        return json_response(200, {"ready": True, **parts})
    retry = (b"retry-after", str(RETRY_AFTER_SECONDS["not_ready"]).encode())
    return Response(503, encode({"ready": False, **parts}), [*JSON, retry])


async def tell_metrics(services: Services, request: Request) -> Response:
    """GET /metrics: Prometheus text."""
    body = await services.metrics.render()
    return Response(200, body, [(b"content-type", CONTENT_TYPE.encode())])
