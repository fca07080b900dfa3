"""What a shape demands, read back from its document into the words of a job's requirements.

For answers about shapes, where no single job's envelope is at hand. Sets come sorted, GPU models in
lower case, a timeout in minutes even where it was stated in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from empq.model import fields
from empq.model.conditions import attribute_scale
from empq.model.requirements import COST_TIERS, ISOLATION_LEVELS

#: Key of the document -> key of the requirements, where the value is the same.
_SAME = {
    "service": "service_type",
    "component": "component",
    "workflow": "workflow",
    "models": "models",
    "region": "geographic_region",
    "compliance": "compliance",
    "quality_level": "quality_level",
    "quality_required": "quality_required",
}

#: After the point; three tell thousandths apart, and so do megabytes.
_MOST_DIGITS = 4


class Demand(NamedTuple):
    """A shape for people: `requirements` decode to the shape's own document."""

    job_type: str | None
    requirements: dict[str, Any]


def demand_of(document: bytes) -> Demand:
    """What a shape document says. ValueError where it is not JSON."""
    parts = cast("dict[str, Any]", msgspec.json.decode(document))
    return Demand(parts.get("type"), _requirements(parts))


def _requirements(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The requirements of a document, or of its `not`."""
    sent = {name: parts[key] for key, name in _SAME.items() if key in parts}
    if hardware := _hardware(parts):
        sent["hardware"] = hardware
    if level := parts.get("isolation"):
        sent["customer_isolation"] = ISOLATION_LEVELS[level]
    if "cost_tier" in parts:
        sent["cost_tier"] = COST_TIERS[parts["cost_tier"]]
    if "timeout_minutes" in parts:
        sent["timeout_minutes"] = _number(parts["timeout_minutes"])
    for key in ("constraints", "prefer"):
        if key in parts:
            sent[key] = [_condition(it, is_label=key == "constraints") for it in parts[key]]
    if "not" in parts:
        sent["not"] = _requirements(parts["not"])
    return sent


def _hardware(parts: Mapping[str, Any]) -> dict[str, Any]:
    numbers = cast("dict[str, int]", parts.get("hardware", {}))
    hardware: dict[str, Any] = {
        key: _number(amount, fields.scale_of(key)) for key, amount in numbers.items()
    }
    if "gpu_model" in parts:
        hardware["gpu_model"] = parts["gpu_model"]
    return hardware


def _condition(condition: Mapping[str, Any], *, is_label: bool) -> dict[str, Any]:
    if "value" not in condition:
        return dict(condition)
    # Labels are in thousandths whatever they are called.
    scale = fields.THOUSANDTHS if is_label else attribute_scale(condition["key"])
    value = condition["value"]
    if isinstance(value, list):
        shown: Any = [_scalar(item, scale) for item in cast("list[Any]", value)]
    else:
        shown = _scalar(value, scale)
    return {**condition, "value": shown}


def _scalar(value: Any, scale: int) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _number(value, scale) if is_number else value


def _number(amount: int, scale: int = fields.THOUSANDTHS) -> int | float:
    """The shortest number that scales to the amount: 10.1 GB, not 10.099609375."""
    for digits in range(_MOST_DIGITS):
        value = round(amount / scale, digits)
        if fields.scaled(value, scale) == amount:
            return value if digits else int(value)
    return amount / scale
