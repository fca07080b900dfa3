"""Calls about workers: registration, heartbeat, claim, changes, drain, removal, views."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from empq.api.jobs import ExplainQuery
from empq.api.request import Request
from empq.api.response import Response, joined, json_response
from empq.api.services import Services
from empq.messages.rest import (
    CapabilityChanges,
    ClaimRequest,
    DrainRequest,
    HeartbeatRequest,
    Nothing,
    RegisterWorker,
)

MaxJobs = Annotated[int, Meta(ge=1, le=1000)]
WaitMs = Annotated[int, Meta(ge=0, le=600_000)]
DEFAULT_WAIT_MS = 30_000


class ClaimQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many jobs a claim takes at most, and how long it waits for the first."""

    wait_ms: WaitMs = DEFAULT_WAIT_MS
    max_jobs: MaxJobs = 1


async def register_worker(services: Services, request: Request) -> Response:
    """POST /api/workers."""
    body = await request.decode(RegisterWorker)
    return json_response(201, await services.registry.register(body))


async def claim_jobs(services: Services, request: Request) -> Response:
    """POST /api/workers/{worker_id}/claim."""
    worker_id, query = request.worker_id(), request.query(ClaimQuery)
    body = await request.decode(ClaimRequest)
    claim = services.broker.claim(
        worker_id, body.session, query.max_jobs, query.wait_ms, body.claim_id
    )
    jobs = await (request.unless_disconnected(claim) if query.wait_ms else claim)
    return Response(200, joined(b"jobs", jobs))


async def heartbeat_worker(services: Services, request: Request) -> Response:
    """POST /api/workers/{worker_id}/heartbeat."""
    worker_id, body = request.worker_id(), await request.decode(HeartbeatRequest)
    return json_response(200, await services.registry.heartbeat(worker_id, body.session, body))


async def patch_worker(services: Services, request: Request) -> Response:
    """PATCH /api/workers/{worker_id}."""
    worker_id, body = request.worker_id(), await request.decode(CapabilityChanges)
    await services.registry.patch(worker_id, body.capability_changes)
    return await _view(services, worker_id)


async def drain_worker(services: Services, request: Request) -> Response:
    """POST /api/workers/{worker_id}/drain."""
    worker_id, body = request.worker_id(), await request.decode(DrainRequest)
    await services.registry.drain(worker_id, body.deadline_seconds)
    return await _view(services, worker_id)


async def resume_worker(services: Services, request: Request) -> Response:
    """POST /api/workers/{worker_id}/resume."""
    worker_id = request.worker_id()
    await request.decode(Nothing)
    await services.registry.resume(worker_id)
    return await _view(services, worker_id)


async def remove_worker(services: Services, request: Request) -> Response:
    """DELETE /api/workers/{worker_id}."""
    await services.registry.remove(request.worker_id())
    return Response(204)


async def list_workers(services: Services, request: Request) -> Response:
    """GET /api/workers."""
    return json_response(200, {"workers": await services.registry.views()})


async def read_worker(services: Services, request: Request) -> Response:
    """GET /api/workers/{worker_id}."""
    return await _view(services, request.worker_id())


async def explain_worker(services: Services, request: Request) -> Response:
    """GET /api/workers/{worker_id}/explain."""
    limit = request.query(ExplainQuery).limit
    return json_response(200, await services.explaining.worker(request.worker_id(), limit))


async def _view(services: Services, worker_id: str) -> Response:
    return json_response(200, await services.registry.view(worker_id))
