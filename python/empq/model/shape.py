"""Shape documents: what the matchers read of a job's requirements, and the ids of shapes and lanes.

A document is a JSON object of scaled integers, all keys optional but isolation:
type, service, component, workflow: str; models, gpu_model (lower case), region, compliance: [str];
hardware: {key: int > 0}; isolation, cost_tier: 0..2; quality_level: str; quality_required: true;
timeout_minutes: int; constraints: [{key, op, value?}]; prefer: [{key, op, value?, weight}];
not: {the same keys, scalars as scalars and lists as lists}.
Equal demands have one canonical document, in which sets are sorted and without repeats.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any, cast

import msgspec

_ORDER = (
    "type", "service", "component", "workflow", "models", "hardware", "gpu_model", "isolation",
    "region", "compliance", "quality_level", "quality_required", "cost_tier", "timeout_minutes",
    "constraints", "not", "prefer",
)  # fmt: skip
_HARDWARE_ORDER = ("gpu_memory_gb", "gpu_count", "cpu_cores", "ram_gb", "storage_gb")
_SETS = ("models", "gpu_model", "region", "compliance")


def encoded_document(document: dict[str, Any]) -> bytes:
    """The document as JSON, its lists as they are."""
    return msgspec.json.encode({key: document[key] for key in _ORDER if key in document})


def canonical_document(document: dict[str, Any]) -> bytes:
    """The document as JSON, the same for all documents of equal meaning."""
    return encoded_document(_canonical(document))


def shape_base(document: bytes) -> str:
    """The 22 characters that stand for a canonical document: base64url of a 128-bit digest."""
    digest = hashlib.blake2b(document, digest_size=16).digest()
    return base64.urlsafe_b64encode(digest).decode()[:22]


def shape_id(base: str, avoided: Iterable[str] = ()) -> str:
    """`base`, or `base!w1,w2` where workers are avoided."""
    workers = ",".join(sorted(set(avoided)))
    return f"{base}!{workers}" if workers else base


def lane_id(base: str, customer: str, avoided: Iterable[str] = ()) -> str:
    """The lane of one customer's jobs of one shape."""
    return f"{shape_id(base, avoided)}:{customer}"


def split_lane_id(lane: str) -> tuple[str, tuple[str, ...], str]:
    """Base, avoided workers and customer of a lane; ValueError where it is none. A customer may hold ":"."""
    shape, colon, customer = lane.partition(":")
    base, mark, workers = shape.partition("!")
    if not colon or not base or (mark and not workers):
        raise ValueError(f"not a lane id: {lane!r}")
    return base, tuple(workers.split(",")) if mark else (), customer


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    result = dict(document)
    for key in _SETS:
        if key in result:
            result[key] = sorted(set(result[key]))
    if "hardware" in result:
        hardware = result["hardware"]
        result["hardware"] = {key: hardware[key] for key in _HARDWARE_ORDER if key in hardware}
    for key in ("constraints", "prefer"):
        if key in result:
            # Their order says nothing either; repeats of a preference count, so they stay.
            result[key] = sorted(map(_canonical_condition, result[key]), key=msgspec.json.encode)
    if "not" in result:
        unwanted = _canonical(result["not"])
        result["not"] = {key: unwanted[key] for key in _ORDER if key in unwanted}
    return result


def _canonical_condition(condition: dict[str, Any]) -> dict[str, Any]:
    value = condition.get("value")
    if not isinstance(value, list):
        return condition
    distinct = {(type(item).__name__, item): item for item in cast("list[Any]", value)}
    return {**condition, "value": [distinct[key] for key in sorted(distinct)]}
