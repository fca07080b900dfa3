"""The route table's rows and the finding of a row: a dict for fixed paths, a trie of segments for the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from empq.api.request import Request
from empq.api.response import Response
from empq.api.services import Services

Handler = Callable[[Services, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One call: what is matched, who answers, and what /openapi.json says of it."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: Any = None
    query: Any = None
    status: int = 200
    answer: Any = None
    is_open: bool = False


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=lambda: {})
    variable: _Node | None = None
    methods: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=lambda: {})


class Router:
    """Compiled from the table; two rows for one method and path are refused."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._fixed: dict[str, _Node] = {}
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
        """The row and the path's values; without a row, the methods that this path has."""
        values: list[str] = []
        node = self._fixed.get(path) or self._descend(path, values)
        if node is None:
            return None, {}, []
        found = node.methods.get(method) or (node.methods.get("GET") if method == "HEAD" else None)
        if found is None:
            return None, {}, sorted(node.methods)
        return found[0], dict(zip(found[1], values, strict=True)) if values else {}, []

    def _add(self, route: Route) -> None:
        node, names = self._root, list[str]()
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.methods[route.method] = (route, tuple(names))
        if not names:
            self._fixed[route.path] = node

    def _descend(self, path: str, values: list[str]) -> _Node | None:
        node = self._root
        for segment in path[1:].split("/"):
            child = node.fixed.get(segment)
            if child is None:
                child = node.variable
                if child is None or not segment:
                    return None
                values.append(segment)
            node = child
        return node if node.methods else None
