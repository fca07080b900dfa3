"""Calls about customers: weight in a fair share, quotas."""

from __future__ import annotations

from empq.api.request import Request
from empq.api.response import Response, json_response
from empq.api.services import Services
from empq.errors import InvalidField
from empq.messages.rest import CustomerRequest
from empq.model.identifiers import is_customer


async def set_customer(services: Services, request: Request) -> Response:
    """PUT /api/customers/{customer_id}: what is left out or null has no quota, and weight 1."""
    customer_id, body = _customer(request), await request.decode(CustomerRequest)
    view = await services.customers.set(
        customer_id,
        weight=1 if body.weight is None else body.weight,
        max_active=-1 if body.max_active is None else body.max_active,
        max_queued=-1 if body.max_queued is None else body.max_queued,
    )
    return json_response(200, view)


async def read_customer(services: Services, request: Request) -> Response:
    """GET /api/customers/{customer_id}."""
    return json_response(200, await services.customers.view(_customer(request)))


async def list_customers(services: Services, request: Request) -> Response:
    """GET /api/customers: those with settings of their own."""
    return json_response(200, {"customers": await services.customers.views()})


def _customer(request: Request) -> str:
    customer_id = request.path["customer_id"]
    if not is_customer(customer_id):
        raise InvalidField.at(
            "/customer_id", f"{customer_id[:80]!r}: up to 64 printable characters"
        )
    return customer_id
