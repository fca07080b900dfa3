"""Calls about pauses: no new assignments for a worker, a service, a job type or a customer."""

from __future__ import annotations

from empq.api.request import Request
from empq.api.response import Response, json_response
from empq.api.services import Services
from empq.messages.rest import PauseQueueRequest, PauseRequest


async def create_pause(services: Services, request: Request) -> Response:
    """POST /api/pauses."""
    body = await request.decode(PauseRequest)
    return json_response(201, await services.pauses.create(body.scope, body.name, body.reason))


async def list_pauses(services: Services, request: Request) -> Response:
    """GET /api/pauses."""
    return json_response(200, {"pauses": await services.pauses.list()})


async def end_pause(services: Services, request: Request) -> Response:
    """DELETE /api/pauses/{pause_id}."""
    await services.pauses.end(request.path["pause_id"])
    return Response(204)


async def pause_queue(services: Services, request: Request) -> Response:
    """POST /api/queues/{service}/pause: short for a pause of the service."""
    body = await request.decode(PauseQueueRequest)
    pause = await services.pauses.create("service", request.path["service"], body.reason)
    return json_response(201, pause)


async def resume_queue(services: Services, request: Request) -> Response:
    """POST /api/queues/{service}/resume: ends every pause of the service."""
    ended = await services.pauses.end_all("service", request.path["service"])
    return json_response(200, {"service": request.path["service"], "ended": ended})
