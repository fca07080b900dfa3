"""A worker's capabilities: read from JSON with every rule of matching.md checked, and their document.

The document is what matchers read: a JSON object of scaled integers with the keys
services: [{name, models: [str] | "all", loaded: [str], healthy: bool, capacity?: int}];
components?, workflows?, job_types?: [str] | "all"; hardware: {key: int}; gpu_model?: lower case;
isolation?, cost_tier?: 0..2; allowed_customers?, denied_customers: [str];
max_concurrent_customers?, concurrent_jobs: int; quality_levels?, compliance?: [str];
max_processing_time_minutes?, rate_per_hour?: int; region?: str; labels: {str: str | int | bool | [str]};
affinity: {six lists}. A key that the worker left unstated is left out, because `prefer` sees it as absent
(then isolation counts as 0, cost_tier as 1, lists of qualities and compliance as empty).
Sets are sorted, so that equal capabilities make equal documents; services keep the worker's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from empq.errors import FieldError, InvalidField, TooLarge
from empq.model import fields
from empq.model.conditions import ATTRIBUTES, scalar
from empq.model.identifiers import CUSTOMER_LENGTH, is_customer
from empq.model.requirements import (
    COST_TIERS,
    HARDWARE_NUMBERS,
    ISOLATION_LEVELS,
    QUALITY_LEVELS,
)

MAX_SERVICES = 1000
MAX_LABELS = 1000

_KEYS = (
    "services", "components", "workflows", "job_types", "hardware", "customer_access",
    "performance", "location", "cost", "labels", "affinity",
)  # fmt: skip
_SERVICE_KEYS = ("name", "models", "loaded", "healthy", "capacity")
_PATCHED_KEYS = ("healthy", "loaded", "models")
_AFFINITIES = tuple(
    f"{liking}_{what}"
    for liking in ("preferred", "avoided")
    for what in ("types", "customers", "components")
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Decoded capabilities. `sent` is the object as sent: read it, never change it."""

    sent: dict[str, Any]
    parts: dict[str, Any]

    def document(self) -> bytes:
        """The capability document."""
        return msgspec.json.encode(self.parts)

    @property
    def slots(self) -> int:
        """How many jobs the worker holds at most."""
        return self.parts["concurrent_jobs"]

    @property
    def service_names(self) -> tuple[str, ...]:
        """The services, in the worker's own order."""
        return tuple(service["name"] for service in self.parts["services"])

    @property
    def capacity_by_service(self) -> dict[str, int]:
        """The bound on held jobs of each service that states one."""
        services = self.parts["services"]
        return {item["name"]: item["capacity"] for item in services if "capacity" in item}

    @property
    def max_concurrent_customers(self) -> int | None:
        """How many customers' jobs the worker holds at most; None where unbounded."""
        return self.parts.get("max_concurrent_customers")


def decode_capabilities(
    raw: bytes | msgspec.Raw | dict[str, Any], pointer: str = "/capabilities"
) -> Capabilities:
    """The capabilities in `raw` (JSON, or decoded JSON).

    Raises InvalidField, UnknownField, TooLarge, or BadJson for bytes that are not JSON.
    """
    sent = fields.decode_object(raw, pointer)
    given = fields.members(sent, pointer, _KEYS)
    at = {key: fields.child(pointer, key) for key in _KEYS}
    parts: dict[str, Any] = {"services": _services(given.get("services"), at["services"])}
    for key in ("components", "workflows", "job_types"):
        if key in given:
            parts[key] = _names_or_all(given[key], at[key])
    parts |= _hardware(given.get("hardware", {}), at["hardware"])
    parts |= _customer_access(given.get("customer_access", {}), at["customer_access"])
    parts |= _performance(given.get("performance", {}), at["performance"])
    parts |= _location(given.get("location", {}), at["location"])
    parts |= _cost(given.get("cost", {}), at["cost"])
    parts["labels"] = _labels(given.get("labels", {}), at["labels"])
    parts["affinity"] = _affinity(given.get("affinity", {}), at["affinity"])
    return Capabilities(sent, parts)


def merge_patch(
    sent: Mapping[str, Any], changes: object, pointer: str = "/capability_changes"
) -> dict[str, Any]:
    """Capabilities after a merge patch (null deletes); `services_by_name` patches single services.

    Services are patched last. InvalidField where a service is unknown, UnknownField for a field of
    it that cannot be patched.
    """
    patch = dict(fields.object_at(changes, pointer))
    by_name = patch.pop("services_by_name", None)
    try:
        merged = cast("dict[str, Any]", _merged(sent, patch))
    except RecursionError:
        raise InvalidField.at(pointer, "is nested too deeply") from None
    if by_name is not None:
        at = fields.child(pointer, "services_by_name")
        services = fields.elements(merged.get("services", []), fields.child(pointer, "services"))
        merged["services"] = _patched_services(services, fields.object_at(by_name, at), at)
    return merged


def with_health(sent: Mapping[str, Any], healthy: Mapping[str, bool]) -> dict[str, Any]:
    """Capabilities in which these services are healthy or not; names that the worker lacks say nothing."""
    services = [
        {**service, "healthy": healthy[service["name"]]} if service["name"] in healthy else service
        for service in cast("list[dict[str, Any]]", sent["services"])
    ]
    return {**sent, "services": services}


def _services(value: object, pointer: str) -> list[dict[str, Any]]:
    if value is None:
        fields.refuse(value, pointer, "must be a list (it may be empty)")
    services: list[dict[str, Any]] = []
    known: set[str] = set()
    for i, item in enumerate(fields.elements(value, pointer, MAX_SERVICES)):
        at = fields.child(pointer, i)
        service = _service(fields.members(item, at, _SERVICE_KEYS), at)
        if service["name"] in known:
            fields.refuse(service["name"], fields.child(at, "name"), "names a service twice")
        known.add(service["name"])
        services.append(service)
    return services


def _service(given: Mapping[str, Any], pointer: str) -> dict[str, Any]:
    models = _names_or_all(given.get("models", []), fields.child(pointer, "models"))
    if models != "all":
        models = _model_names(models)
    loaded = fields.names(given.get("loaded", []), fields.child(pointer, "loaded"))
    service: dict[str, Any] = {
        "name": fields.text(given.get("name"), fields.child(pointer, "name")),
        "models": models,
        "loaded": _model_names(loaded),
        "healthy": fields.flag(given.get("healthy", True), fields.child(pointer, "healthy")),
    }
    if "capacity" in given:
        service["capacity"] = fields.count(given["capacity"], fields.child(pointer, "capacity"), 1)
    return service


def _model_names(sent: Any) -> list[str]:
    return sorted({fields.forward_slashes(model) for model in cast("list[str]", sent)})


def _names_or_all(value: object, pointer: str) -> Any:
    if value == "all":
        return "all"
    if not isinstance(value, list):
        fields.refuse(value, pointer, 'must be a list or "all"')
    return sorted(set(fields.names(cast("object", value), pointer)))


def _hardware(value: object, pointer: str) -> dict[str, Any]:
    given = fields.members(value, pointer, (*HARDWARE_NUMBERS, "gpu_model"))
    parts: dict[str, Any] = {
        "hardware": {
            key: fields.quantity(given[key], fields.child(pointer, key), fields.scale_of(key))
            for key in HARDWARE_NUMBERS
            if key in given
        }
    }
    if "gpu_model" in given:
        model = fields.text(given["gpu_model"], fields.child(pointer, "gpu_model"))
        parts["gpu_model"] = fields.lower_ascii(model)
    return parts


def _customer_access(value: object, pointer: str) -> dict[str, Any]:
    keys = ("isolation", "allowed_customers", "denied_customers", "max_concurrent_customers")
    given = fields.members(value, pointer, keys)
    at = {key: fields.child(pointer, key) for key in keys}
    parts: dict[str, Any] = {}
    if "isolation" in given:
        level = fields.choice(given["isolation"], at["isolation"], ISOLATION_LEVELS)
        parts["isolation"] = ISOLATION_LEVELS.index(level)
    allowed = given.get("allowed_customers", "all")
    if allowed != "all":
        parts["allowed_customers"] = _customers(allowed, at["allowed_customers"])
    denied = given.get("denied_customers", [])
    parts["denied_customers"] = _customers(denied, at["denied_customers"])
    if "max_concurrent_customers" in given:
        parts["max_concurrent_customers"] = fields.count(
            given["max_concurrent_customers"], at["max_concurrent_customers"], 1
        )
    return parts


def _customers(value: object, pointer: str) -> list[str]:
    customers: set[str] = set()
    for i, item in enumerate(fields.elements(value, pointer)):
        at = fields.child(pointer, i)
        customer = fields.text(item, at, empty=True)
        if customer == "all" or not is_customer(customer):
            rule = f'must be up to {CUSTOMER_LENGTH} printable characters, and not "all"'
            fields.refuse(item, at, rule)
        customers.add(customer)
    return sorted(customers)


def _performance(value: object, pointer: str) -> dict[str, Any]:
    keys = ("concurrent_jobs", "quality_levels", "max_processing_time_minutes")
    given = fields.members(value, pointer, keys)
    at = {key: fields.child(pointer, key) for key in keys}
    jobs = given.get("concurrent_jobs", 1)
    parts: dict[str, Any] = {"concurrent_jobs": fields.count(jobs, at["concurrent_jobs"], 1)}
    if "quality_levels" in given:
        levels = fields.elements(given["quality_levels"], at["quality_levels"])
        parts["quality_levels"] = sorted(
            {
                fields.choice(level, fields.child(at["quality_levels"], i), QUALITY_LEVELS)
                for i, level in enumerate(levels)
            }
        )
    if "max_processing_time_minutes" in given:
        parts["max_processing_time_minutes"] = fields.quantity(
            given["max_processing_time_minutes"], at["max_processing_time_minutes"]
        )
    return parts


def _location(value: object, pointer: str) -> dict[str, Any]:
    given = fields.members(value, pointer, ("region", "compliance"))
    parts: dict[str, Any] = {}
    if "region" in given:
        parts["region"] = fields.text(given["region"], fields.child(pointer, "region"))
    if "compliance" in given:
        rules = fields.texts(given["compliance"], fields.child(pointer, "compliance"))
        parts["compliance"] = sorted(set(rules))
    return parts


def _cost(value: object, pointer: str) -> dict[str, Any]:
    given = fields.members(value, pointer, ("tier", "rate_per_hour"))
    parts: dict[str, Any] = {}
    if "tier" in given:
        tier = fields.choice(given["tier"], fields.child(pointer, "tier"), COST_TIERS)
        parts["cost_tier"] = COST_TIERS.index(tier)
    if "rate_per_hour" in given:
        at = fields.child(pointer, "rate_per_hour")
        parts["rate_per_hour"] = fields.quantity(given["rate_per_hour"], at)
    return parts


def _labels(value: object, pointer: str) -> dict[str, Any]:
    given = fields.object_at(value, pointer)
    if len(given) > MAX_LABELS:
        rule = f"{len(given)} labels; at most {MAX_LABELS} are allowed"
        raise TooLarge(f"{pointer}: {rule}", errors=(FieldError(pointer, rule),))
    labels: dict[str, Any] = {}
    for key in sorted(given):
        at, item = fields.child(pointer, key), given[key]
        fields.text(key, at)
        if key in ATTRIBUTES:
            fields.refuse(key, at, "is the name of an attribute, not of a label")
        if isinstance(item, list):
            labels[key] = sorted(set(fields.texts(cast("object", item), at)))
        elif item is not None:
            labels[key] = scalar(item, at)
    return labels


def _affinity(value: object, pointer: str) -> dict[str, list[str]]:
    given = fields.members(value, pointer, _AFFINITIES)
    lists: dict[str, list[str]] = {}
    for key in _AFFINITIES:
        items, at = given.get(key, []), fields.child(pointer, key)
        if key.endswith("customers"):
            lists[key] = _customers(items, at)
        else:
            lists[key] = sorted(set(fields.names(items, at)))
    return lists


def _merged(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for key, item in cast("dict[str, Any]", patch).items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), item)
    return result


def _patched_services(
    services: list[Any], by_name: dict[str, Any], pointer: str
) -> list[dict[str, Any]]:
    patched = [dict(fields.object_at(item, pointer)) for item in services]
    position = {str(item.get("name")): i for i, item in enumerate(patched)}
    for name, patch in by_name.items():
        at = fields.child(pointer, name)
        if name not in position:
            fields.refuse(name, at, "is not one of the worker's services")
        # Checked for unknown keys here; the values when the whole is read again.
        fields.members(patch, at, _PATCHED_KEYS)
        i = position[name]
        patched[i] = cast("dict[str, Any]", _merged(patched[i], patch))
    return patched
