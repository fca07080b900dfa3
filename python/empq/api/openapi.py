"""/openapi.json: OpenAPI 3.1 from the route table."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

import empq
from empq.api.problems import STATUS
from empq.api.routing import Route

_REFERENCE = "#/components/schemas/{name}"
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"enum": sorted(STATUS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    rows = list(routes)
    kinds = [kind for row in rows for kind in (row.body, row.query, row.answer) if kind is not None]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "empq", "version": empq.__version__, "description": empq.__doc__ or ""},
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _operation(row: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(row.status).phrase}
    if row.answer is not None:
        answer["content"] = {"application/json": {"schema": _reference(row.answer)}}
    problem = {
        "description": "A problem, RFC 9457",
        "content": {
            "application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}
        },
    }
    operation: dict[str, Any] = {
        "operationId": getattr(row.handler, "__name__", row.path),
        "summary": row.summary,
        "parameters": _parameters(row, schemas),
        "responses": {str(row.status): answer, "default": problem},
    }
    if row.body is bytes:
        operation["requestBody"] = {"content": {"*/*": {}}, "required": True}
    elif row.body is not None:
        content = {"application/json": {"schema": _reference(row.body)}}
        operation["requestBody"] = {"content": content}
    if row.is_open:
        operation["security"] = []
    return operation


def _parameters(row: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": segment[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for segment in row.path.split("/")
        if segment.startswith("{")
    ]
    if row.query is not None:
        query = schemas[row.query.__name__]
        required = query.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in query["properties"].items()
        ]
    return found


def _reference(kind: Any) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
