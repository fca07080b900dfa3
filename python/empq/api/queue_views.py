"""Calls about the queue as a whole: match, workflows, statistics."""

from __future__ import annotations

import msgspec

from empq.api.jobs import ExplainQuery
from empq.api.request import Request
from empq.api.response import Response, json_response
from empq.api.services import Services
from empq.messages.rest import CancelRequest, MatchRequest


class WorkflowQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A workflow belongs to its customer; "" is the customer of those who name none."""

    customer_id: str = ""


async def match_requirements(services: Services, request: Request) -> Response:
    """POST /api/match."""
    limit = request.query(ExplainQuery).limit
    body = await request.decode(MatchRequest)
    answer = await services.explaining.match(
        body.requirements or {}, body.type, body.customer_id, limit
    )
    return json_response(200, answer)


async def read_workflow(services: Services, request: Request) -> Response:
    """GET /api/workflows/{workflow_id}."""
    customer_id = request.query(WorkflowQuery).customer_id
    return json_response(
        200, await services.workflows.view(request.path["workflow_id"], customer_id)
    )


async def cancel_workflow(services: Services, request: Request) -> Response:
    """POST /api/workflows/{workflow_id}/cancel."""
    customer_id = request.query(WorkflowQuery).customer_id
    reason = (await request.decode(CancelRequest)).reason
    return json_response(
        200, await services.workflows.cancel(request.path["workflow_id"], customer_id, reason)
    )


async def read_queues(services: Services, request: Request) -> Response:
    """GET /api/queues."""
    return json_response(200, {"queues": await services.statistics.queues()})


async def read_statistics(services: Services, request: Request) -> Response:
    """GET /api/stats."""
    return json_response(200, await services.statistics.snapshot())
