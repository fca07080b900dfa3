"""Conditions {key, op, value} of `constraints` and `prefer`, decoded to the form that matchers compare.

Numbers become scaled integers, booleans stay booleans, lists stay in the order sent.
Source: matching.md, "Constraint ops" and "prefer".
"""

from __future__ import annotations

from typing import Any, cast

from empq.model import fields

ORDERING = ("gt", "ge", "lt", "le")
LISTS = ("in", "not_in", "contains_all")
PRESENCE = ("exists", "not_exists")
OPERATORS = ("eq", "ne", *LISTS, *ORDERING, *PRESENCE)

#: Keys of `prefer` that name an attribute of the worker; labels with these names are refused.
ATTRIBUTES = (
    "hardware.gpu_memory_gb", "hardware.gpu_count", "hardware.cpu_cores", "hardware.ram_gb",
    "hardware.storage_gb", "hardware.gpu_model", "location.region", "location.compliance",
    "cost.tier", "cost.rate_per_hour", "performance.quality_levels", "customer_access.isolation",
    "services", "components", "workflows", "worker_id",
)  # fmt: skip

MAX_CONDITIONS = 1000
_GIGABYTES = frozenset(key for key in ATTRIBUTES if key.endswith("_gb"))


def constraints(value: object, pointer: str) -> list[dict[str, Any]]:
    """A list of {key, op, value}."""
    given = fields.elements(value, pointer, MAX_CONDITIONS)
    return [
        _condition(item, fields.child(pointer, i), fields.THOUSANDTHS)
        for i, item in enumerate(given)
    ]


def preferences(value: object, pointer: str) -> list[dict[str, Any]]:
    """A list of {key, op, value, weight}."""
    given = fields.elements(value, pointer, MAX_CONDITIONS)
    return [_preference(item, fields.child(pointer, i)) for i, item in enumerate(given)]


def attribute_scale(key: object) -> int:
    """The scale of numbers in a preference with this key."""
    return fields.PER_GB if isinstance(key, str) and key in _GIGABYTES else fields.THOUSANDTHS


def _preference(value: object, pointer: str) -> dict[str, Any]:
    key = fields.object_at(value, pointer).get("key")
    result = _condition(value, pointer, attribute_scale(key), ("weight",))
    given = cast("dict[str, Any]", value)
    at = fields.child(pointer, "weight")
    weight = fields.count(given.get("weight"), at, -100, 100)
    if weight == 0:
        fields.refuse(weight, at, "must not be 0")
    if key == "hardware.gpu_model" and "value" in result:
        # The worker's side is in lower case too.
        result["value"] = _lower(result["value"])
    result["weight"] = weight
    return result


def _lower(value: Any) -> Any:
    if isinstance(value, list):
        return [_lower(item) for item in cast("list[Any]", value)]
    return fields.lower_ascii(value) if isinstance(value, str) else value


def _condition(
    value: object, pointer: str, scale: int, more: tuple[str, ...] = ()
) -> dict[str, Any]:
    given = fields.members(value, pointer, ("key", "op", "value", *more))
    key = fields.text(given.get("key"), fields.child(pointer, "key"))
    op = fields.choice(given.get("op"), fields.child(pointer, "op"), OPERATORS)
    result: dict[str, Any] = {"key": key, "op": op}
    at = fields.child(pointer, "value")
    operand = given.get("value")
    if op in PRESENCE:
        if operand is not None:
            fields.refuse(operand, at, f"must be left out: {op} takes no value")
    elif op in ORDERING:
        result["value"] = fields.number(operand, at, scale)
    elif op in LISTS:
        result["value"] = _scalars(operand, at, scale)
        if not result["value"]:
            fields.refuse([], at, "must not be empty")
    elif isinstance(operand, list):
        result["value"] = _scalars(cast("object", operand), at, scale)
    else:
        result["value"] = scalar(operand, at, scale)
    return result


def _scalars(value: object, pointer: str, scale: int) -> list[str | int | bool]:
    return [
        scalar(item, fields.child(pointer, i), scale)
        for i, item in enumerate(fields.elements(value, pointer))
    ]


def scalar(value: object, pointer: str, scale: int = fields.THOUSANDTHS) -> str | int | bool:
    """A non-empty string, a number (scaled) or a boolean."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return fields.number(value, pointer, scale)
    if not isinstance(value, str):
        fields.refuse(value, pointer, "must be a string, a number or a boolean")
    return fields.text(value, pointer)
