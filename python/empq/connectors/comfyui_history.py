"""What ComfyUI's answers mean for a job: refusals, failures and outputs."""

from __future__ import annotations

import re
from typing import Any, cast

from empq.connectors.base import JobFailed, JobInvalid, ServiceLost
from empq.connectors.comfyui_server import OutputFile

OUT_OF_MEMORY = re.compile(r"out ?of ?memory", re.IGNORECASE)
CONNECTION = re.compile(
    r"connection (refused|reset|aborted|error)|connectionerror|timed? ?out", re.IGNORECASE
)
#: After these the server process makes no picture any more.
DEVICE = re.compile(
    r"cuda error|illegal memory access|device-side assert|hip error|device lost", re.IGNORECASE
)


def refusal(answer: dict[str, Any]) -> JobInvalid:
    """POST /prompt said 400, or 200 with errors of some nodes: no attempt can succeed."""
    error: dict[str, Any] = answer.get("error") or {}
    node_errors: dict[str, Any] = answer.get("node_errors") or {}
    lines = [
        f"node {node_id} ({entry.get('class_type')}): {problem.get('message')}: {problem.get('details')}"
        for node_id, entry in node_errors.items()
        for problem in entry.get("errors", [])
    ]
    if not lines:
        lines = [": ".join(filter(None, (error.get("message"), error.get("details"))))]
    text = "ComfyUI refuses the graph: " + "; ".join(lines)
    return JobInvalid(text, details={"type": error.get("type"), "node_errors": node_errors})


def failure(record: dict[str, Any]) -> JobFailed | None:
    """Why a finished prompt has no result; None where it succeeded."""
    status: dict[str, Any] = record.get("status") or {}
    if status.get("status_str", "success") == "success":
        return None
    messages = {message[0]: message[1] for message in status.get("messages", [])}
    if "execution_interrupted" in messages:
        return JobFailed("the prompt was interrupted at the ComfyUI server")
    data: dict[str, Any] = messages.get("execution_error", {})
    kind, words = str(data.get("exception_type")), str(data.get("exception_message", "")).strip()
    place = f"node {data.get('node_id')} ({data.get('node_type')})"
    details = {name: data.get(name) for name in ("node_id", "node_type", "exception_type")}
    text = f"{place}: {kind}: {words}"
    said = f"{kind} {words}"
    if DEVICE.search(said):
        return ServiceLost(text, details=details)
    retry = is_out_of_memory(said) or CONNECTION.search(said) is not None
    return JobFailed(text, retry=retry, details=details)


def is_out_of_memory(text: str) -> bool:
    """Whether the GPU was full."""
    return OUT_OF_MEMORY.search(text) is not None


def outputs(record: dict[str, Any]) -> tuple[list[OutputFile], list[dict[str, Any]]]:
    """The files of all nodes, under whatever key a node lists them, and everything else they show."""
    files: list[OutputFile] = []
    values: list[dict[str, Any]] = []
    shown: dict[str, dict[str, Any]] = record.get("outputs") or {}
    for node, keys in shown.items():
        for key, items in keys.items():
            others: list[Any] = []
            listed = cast(list[Any], items) if isinstance(items, list) else [items]
            for item in listed:
                if isinstance(item, dict) and "filename" in item:
                    entry = cast(dict[str, Any], item)
                    place = (entry.get("subfolder") or "", entry.get("type") or "output")
                    files.append(OutputFile(node, key, str(entry["filename"]), *place))
                else:
                    others.append(item)
            if others:
                values.append({"node": node, "key": key, "value": others})
    return files, values
