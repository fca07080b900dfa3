"""A ComfyUI graph as a job brings it: is it one, how far is it, which of its events matter."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from empq.connectors.base import Job, JobInvalid

Graph = dict[str, dict[str, Any]]

#: Nodes whose pictures come as frames of the socket alone.
SOCKET_NODES = frozenset({"SaveImageWebsocket"})


#: A field that is kept undecoded and was not sent; `Raw | None` would admit only null.
ABSENT = msgspec.Raw()


class ComfyuiPayload(msgspec.Struct):
    """`prompt` is the graph in API format; both are posted byte for byte."""

    prompt: msgspec.Raw
    extra_data: msgspec.Raw = ABSENT


def read(job: Job) -> tuple[ComfyuiPayload, Graph]:
    """The payload and its decoded graph. Raises JobInvalid that says what to do."""
    payload = job.read(ComfyuiPayload)
    if bytes(payload.extra_data or b"{")[:1] not in (b"{", b"n"):
        raise JobInvalid("payload.extra_data: expected an object")
    decoded: Any = msgspec.json.decode(payload.prompt)
    if not isinstance(decoded, dict) or not decoded:
        raise JobInvalid("payload.prompt: expected a graph, {node id: {class_type, inputs}}")
    graph = cast(dict[str, Any], decoded)
    if isinstance(graph.get("nodes"), list) and "links" in graph:
        raise JobInvalid(
            "payload.prompt: this is the editor's workflow file; export it with "
            '"Export (API)" (in older editors "Save (API Format)") and send that'
        )
    for node_id, node in graph.items():
        fields = cast(dict[str, Any], node) if isinstance(node, dict) else {}
        if not isinstance(fields.get("class_type"), str):
            raise JobInvalid(f"payload.prompt.{node_id}: a node needs a class_type")
        if not isinstance(fields.get("inputs", {}), dict):
            raise JobInvalid(f"payload.prompt.{node_id}.inputs: expected an object")
    return payload, cast(Graph, graph)


class GraphProgress:
    """Percent over the graph: a sampler weighs as much as it has steps, every other node one."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._weights = {node_id: _weight(node) for node_id, node in graph.items()}
        self._total = sum(self._weights.values())
        self._fractions: dict[str, float] = {}
        self._steps: dict[str, str] = {}
        self.node: str | None = None

    @property
    def percent(self) -> float:
        """100 is kept for the end."""
        done = sum(self._weights[node] * part for node, part in self._fractions.items())
        return min(99.0, round(100 * done / self._total, 1))

    @property
    def message(self) -> str | None:
        """The title of the node that runs."""
        if self.node is None:
            return None
        node = self._graph[self.node]
        about: dict[str, Any] = node.get("_meta") or {}
        return str(about.get("title") or node["class_type"])

    @property
    def current_step(self) -> str | None:
        """Its steps, as "7/20"."""
        return self._steps.get(self.node or "")

    @property
    def sends_pictures(self) -> bool:
        """Whether pictures that come now are outputs."""
        return self.node is not None and self._graph[self.node]["class_type"] in SOCKET_NODES

    def take(self, event: str, data: dict[str, Any]) -> bool:
        """Whether the event told something new."""
        match event:
            case "execution_cached":
                for node in data.get("nodes", []):
                    self._advance(node, 1.0)
            case "executing":
                self._enter(data.get("node"))
            case "progress":
                self._step(data.get("node"), data.get("value", 0), data.get("max", 1))
            case "progress_state":
                for node, state in data.get("nodes", {}).items():
                    if state.get("state") == "finished":
                        self._advance(node, 1.0)
                    elif state.get("max", 1) > 1:
                        self._step(node, state.get("value", 0), state["max"])
            case "executed":
                self._advance(data.get("node"), 1.0)
            case _:
                return False
        return True

    def _enter(self, node: str | None) -> None:
        if self.node is not None and node != self.node:
            self._advance(self.node, 1.0)
        if node in self._graph:
            self.node = node

    def _step(self, node: str | None, value: float, of: float) -> None:
        if node in self._graph and of > 0:
            self._steps[node] = f"{value:g}/{of:g}"
            self._advance(node, min(1.0, value / of))

    def _advance(self, node: str | None, part: float) -> None:
        if node in self._graph:
            self._fractions[node] = max(part, self._fractions.get(node, 0.0))


def _weight(node: dict[str, Any]) -> int:
    steps: Any = node.get("inputs", {}).get("steps")
    return max(1, steps) if isinstance(steps, int) else 1
