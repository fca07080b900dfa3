"""What the ComfyUI stand-in says to a graph before it queues it; the error types are the real server's."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from empq.sim.comfyui_nodes import NodeClass

Graph = dict[str, dict[str, Any]]
LISTED_VALUES = 20
CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str}


class Verdict(NamedTuple):
    """`error` None: the graph is queued for its good outputs, the node errors of the others are told beside."""

    error: dict[str, Any] | None
    good_outputs: list[str]
    node_errors: dict[str, Any]


def validate(graph: Any, classes: dict[str, NodeClass]) -> Verdict:
    """Judges a graph as the real server does: a good output is enough."""
    if not isinstance(graph, dict) or not graph:
        return _refused("prompt_no_outputs", "Prompt has no outputs")
    nodes = cast(Graph, graph)
    for node_id, node in nodes.items():
        kind = node.get("class_type") if isinstance(node, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if kind is None:
            text = "Cannot execute because a node is missing the class_type property."
            return _refused("invalid_prompt", text, f"Node ID '#{node_id}'")
        if kind not in classes:
            text = f"Cannot execute because node {kind} does not exist."
            return _refused("invalid_prompt", text, f"Node ID '#{node_id}'")
    outputs = [node_id for node_id, node in nodes.items() if classes[node["class_type"]].is_output]
    if not outputs:
        return _refused("prompt_no_outputs", "Prompt has no outputs")
    return _judge_outputs(_Inspection(nodes, classes), outputs)


def _judge_outputs(inspection: _Inspection, outputs: list[str]) -> Verdict:
    good: list[str] = []
    node_errors: dict[str, Any] = {}
    for output in outputs:
        bad = [node_id for node_id in inspection.upstream(output) if inspection.errors(node_id)]
        if not bad:
            good.append(output)
        for node_id in bad:
            entry = node_errors.setdefault(
                node_id,
                {
                    "errors": inspection.errors(node_id),
                    "dependent_outputs": [],
                    "class_type": inspection.graph[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)
    if good:
        return Verdict(None, good, node_errors)
    lines = [
        f"{entry['class_type']} {node_id}:\n"
        + "\n".join(f"  - {error['message']}: {error['details']}" for error in entry["errors"])
        for node_id, entry in node_errors.items()
    ]
    error = _error(
        "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(lines)
    )
    return Verdict(error, [], node_errors)


class _Inspection:
    """One graph with the errors of its nodes, found once."""

    def __init__(self, graph: Graph, classes: dict[str, NodeClass]) -> None:
        self.graph = graph
        self._classes = classes
        self._errors: dict[str, list[dict[str, Any]]] = {}

    def upstream(self, node_id: str) -> list[str]:
        """The node and all that it depends on."""
        found: dict[str, None] = {}
        waiting = [node_id]
        while waiting:
            current = waiting.pop()
            if current in found or current not in self.graph:
                continue
            found[current] = None
            inputs = self.graph[current].get("inputs", {})
            waiting += [value[0] for value in inputs.values() if is_link(value)]
        return list(found)

    def errors(self, node_id: str) -> list[dict[str, Any]]:
        """What is wrong with one node's own inputs."""
        if node_id not in self._errors:
            node = self.graph[node_id]
            inputs: dict[str, Any] = node.get("inputs", {})
            self._errors[node_id] = [
                error
                for name, spec in self._classes[node["class_type"]].required.items()
                if (error := self._input_error(name, spec, inputs)) is not None
            ]
        return self._errors[node_id]

    def _input_error(
        self, name: str, spec: list[Any], inputs: dict[str, Any]
    ) -> dict[str, Any] | None:
        if name not in inputs:
            return _error(
                "required_input_missing", "Required input is missing", name, input_name=name
            )
        value = inputs[name]
        if isinstance(value, list):
            return self._link_error(name, spec, cast(list[Any], value))
        return _value_error(name, spec, value, inputs)

    def _link_error(self, name: str, spec: list[Any], link: list[Any]) -> dict[str, Any] | None:
        details: dict[str, Any] = {"input_name": name, "input_config": spec, "received_value": link}
        if not is_link(link):
            text = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return _error("bad_linked_input", text, name, **details)
        source = self.graph.get(link[0])
        outputs: tuple[str, ...] = (
            () if source is None else self._classes[source["class_type"]].outputs
        )
        if int(link[1]) >= len(outputs):
            text = "Exception when validating inner node"
            return _error("exception_during_inner_validation", text, str(link[0]), **details)
        slot: int = link[1]
        received = outputs[slot]
        if isinstance(spec[0], str) and received != spec[0]:
            text = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
            return _error(
                "return_type_mismatch", "Return type mismatch between linked nodes", text, **details
            )
        return None


def is_link(value: Any) -> bool:
    """Whether an input is the output of another node."""
    if not isinstance(value, list):
        return False
    parts = cast(list[Any], value)
    return len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], int)


def _value_error(
    name: str, spec: list[Any], value: Any, inputs: dict[str, Any]
) -> dict[str, Any] | None:
    kind = spec[0]
    limits: dict[str, Any] = spec[1] if len(spec) > 1 else {}
    details: dict[str, Any] = {"input_name": name, "input_config": spec, "received_value": value}
    if isinstance(kind, list):
        choices = cast(list[str], kind)
        if value in choices:
            return None
        listed = choices if len(choices) <= LISTED_VALUES else f"(list of length {len(choices)})"
        text = f"{name}: '{value}' not in {listed}"
        return _error("value_not_in_list", "Value not in list", text, **details)
    if kind not in CONVERSIONS:
        return _error("bad_linked_input", "Input must be a link", name, **details)
    try:
        value = inputs[name] = CONVERSIONS[kind](value)
    except (TypeError, ValueError) as error:
        text = f"Failed to convert an input value to a {kind} value"
        return _error("invalid_input_type", text, f"{name}, {value}, {error}", **details)
    if "min" in limits and value < limits["min"]:
        text = f"Value {value} smaller than min of {limits['min']}"
        return _error("value_smaller_than_min", text, name, **details)
    if "max" in limits and value > limits["max"]:
        text = f"Value {value} bigger than max of {limits['max']}"
        return _error("value_bigger_than_max", text, name, **details)
    return None


def _error(kind: str, message: str, details: str, **extra_info: Any) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def _refused(kind: str, message: str, details: str = "") -> Verdict:
    return Verdict(_error(kind, message, details), [], {})
