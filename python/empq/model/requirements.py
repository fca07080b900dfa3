"""A job's requirements: read from JSON with every rule of matching.md checked, and its shape document.

`decode_requirements` refuses with InvalidField, UnknownField, TooLarge (or BadJson for bytes that
are not JSON), naming the value by its JSON pointer. Results are immutable and shared: equal bytes
give the same object. The shape document holds scaled integers only; its keys stand in shape.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from empq.errors import EmpqError, FieldError, InvalidField, TooLarge
from empq.model import conditions, fields
from empq.model.shape import canonical_document, encoded_document, shape_base

HARDWARE_NUMBERS = ("gpu_memory_gb", "gpu_count", "cpu_cores", "ram_gb", "storage_gb")
ISOLATION_LEVELS = ("none", "loose", "strict")
QUALITY_LEVELS = ("fast", "balanced", "quality")
COST_TIERS = ("economy", "standard", "premium")
DEFAULT_TIMEOUT_SECONDS = 1800.0

#: Largest requirements object, in bytes of JSON.
MAX_BYTES = 1 << 20

_KEYS = (
    "service_type", "component", "workflow", "models", "hardware", "customer_isolation",
    "geographic_region", "compliance", "quality_level", "quality_required", "cost_tier",
    "timeout_minutes", "constraints", "not", "prefer",
)  # fmt: skip
_NOT_KEYS = (
    "service_type", "component", "workflow", "models", "hardware", "geographic_region",
    "compliance", "quality_level", "cost_tier", "constraints",
)  # fmt: skip
_CACHED = 4096
#: Longer requirements are decoded each time, so that the caches stay small.
_CACHED_BYTES = 4096


class Canonical(NamedTuple):
    """A shape: `base` is 22 characters of base64url, the digest of the canonical document."""

    base: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Requirements:
    """Decoded requirements. `sent` is the object as sent: read it, never change it."""

    sent: dict[str, Any]
    parts: dict[str, Any]
    timeout_minutes: float | None

    @property
    def service_type(self) -> str | None:
        """The service that the job needs, if it names one."""
        return self.parts.get("service")

    @property
    def is_strict(self) -> bool:
        """Whether the job asks for strict customer isolation."""
        return self.parts["isolation"] == 2

    def document(self, job_type: str | None, timeout_seconds: float | None = None) -> bytes:
        """The shape document with lists in the order sent, for explain. timeout_seconds: as stated."""
        return encoded_document(self._whole(job_type, timeout_seconds))

    def canonical(self, job_type: str | None, timeout_seconds: float | None = None) -> Canonical:
        """The shape of a job with these requirements. timeout_seconds: as stated by the job."""
        document = canonical_document(self._whole(job_type, timeout_seconds))
        return Canonical(shape_base(document), document)

    def _whole(self, job_type: str | None, timeout_seconds: float | None) -> dict[str, Any]:
        whole = dict(self.parts)
        if job_type is not None:
            whole["type"] = job_type
        _, minutes = resolve_timeout(self, timeout_seconds)
        if minutes is not None:
            whole["timeout_minutes"] = minutes
        return whole


def resolve_timeout(
    requirements: Requirements,
    timeout_seconds: float | None,
    pointer: str = "/timeout_seconds",
) -> tuple[float, int | None]:
    """The run time in seconds (default 1800) and the minutes that are compared (x1000), None where unstated.

    InvalidField at `pointer` where both are stated and differ.
    """
    minutes = requirements.timeout_minutes
    if timeout_seconds is None:
        if minutes is None:
            return DEFAULT_TIMEOUT_SECONDS, None
        return 60 * minutes, fields.scaled(minutes)
    if minutes is None:
        return float(timeout_seconds), fields.scaled(timeout_seconds / 60)
    if abs(60 * minutes - timeout_seconds) > 1e-9 * timeout_seconds:
        fields.refuse(
            timeout_seconds,
            pointer,
            f"must be 60 times requirements.timeout_minutes ({fields.shown(minutes)}), or left out",
        )
    return float(timeout_seconds), fields.scaled(minutes)


def decode_requirements(
    raw: bytes | msgspec.Raw | dict[str, Any] | None, pointer: str = "/requirements"
) -> Requirements:
    """The requirements in `raw` (JSON, or decoded JSON); None and null demand nothing."""
    if raw is None:
        return _NOTHING
    if isinstance(raw, dict):
        return _read(raw, pointer)
    raw = bytes(raw)
    if len(raw) > _CACHED_BYTES:
        return _read_bytes(raw, pointer)
    try:
        return _read_cached(raw)
    except EmpqError:
        # Again, for errors that name the caller's pointer.
        return _read_bytes(raw, pointer)


def job_shape(
    raw: bytes | msgspec.Raw | None,
    job_type: str | None,
    timeout_seconds: float | None,
    pointer: str = "",
) -> tuple[Requirements, Canonical]:
    """Requirements and shape of a submission; a repeat of equal bytes, type and timeout is one look-up.

    `pointer` is the job's: errors name `<pointer>/requirements…` and `<pointer>/timeout_seconds`.
    """
    sent = b"null" if raw is None else bytes(raw)
    if len(sent) <= _CACHED_BYTES:
        try:
            return _shape_cached(sent, job_type, timeout_seconds)
        except EmpqError:
            pass
    requirements = decode_requirements(sent, pointer + "/requirements")
    resolve_timeout(requirements, timeout_seconds, pointer + "/timeout_seconds")
    return requirements, requirements.canonical(job_type, timeout_seconds)


@lru_cache(_CACHED)
def _shape_cached(
    raw: bytes, job_type: str | None, timeout_seconds: float | None
) -> tuple[Requirements, Canonical]:
    requirements = decode_requirements(raw)
    return requirements, requirements.canonical(job_type, timeout_seconds)


@lru_cache(_CACHED)
def _read_cached(raw: bytes) -> Requirements:
    return _read_bytes(raw, "")


def _read_bytes(raw: bytes, pointer: str) -> Requirements:
    if len(raw) > MAX_BYTES:
        rule = f"{len(raw)} bytes of requirements; at most {MAX_BYTES} are allowed"
        raise TooLarge(f"{pointer}: {rule}", errors=(FieldError(pointer, rule),))
    if raw.strip() == b"null":
        return _NOTHING
    return _read(fields.decode_object(raw, pointer), pointer)


def _read(sent: dict[str, Any], pointer: str) -> Requirements:
    given = fields.members(sent, pointer, _KEYS)
    at = {key: fields.child(pointer, key) for key in _KEYS}
    parts = _demands(given, pointer)
    if "models" in parts and "service" not in parts:
        fields.refuse(given["models"], at["models"], "needs service_type")
    level = fields.choice(
        given.get("customer_isolation", "none"), at["customer_isolation"], ISOLATION_LEVELS
    )
    parts["isolation"] = ISOLATION_LEVELS.index(level)
    if fields.flag(given.get("quality_required", False), at["quality_required"]):
        if "quality_level" not in parts:
            fields.refuse(True, at["quality_required"], "needs quality_level")
        parts["quality_required"] = True
    minutes = given.get("timeout_minutes")
    if minutes is not None:
        fields.quantity(minutes, at["timeout_minutes"], above=True)
    if unwanted := _unwanted(given.get("not", {}), at["not"], parts):
        parts["not"] = unwanted
    if wishes := conditions.preferences(given.get("prefer", []), at["prefer"]):
        parts["prefer"] = wishes
    return Requirements(sent, parts, minutes)


def _demands(given: Mapping[str, Any], pointer: str, *, above: bool = False) -> dict[str, Any]:
    """The parts that `not` knows too. above: whether hardware numbers must be greater than 0."""
    parts: dict[str, Any] = {}
    for key, (part, read) in _READERS.items():
        if key not in given:
            continue
        value = read(given[key], fields.child(pointer, key))
        if value != []:
            parts[part] = value
    parts |= _hardware(given.get("hardware"), fields.child(pointer, "hardware"), above=above)
    return parts


def _model_names(value: object, pointer: str) -> list[str]:
    return [fields.forward_slashes(model) for model in fields.names(value, pointer)]


def _quality_level(value: object, pointer: str) -> str:
    return fields.choice(value, pointer, QUALITY_LEVELS)


def _cost_tier(value: object, pointer: str) -> int:
    return COST_TIERS.index(fields.choice(value, pointer, COST_TIERS))


#: Key as sent -> key of the document, and what reads it; an empty list demands nothing.
_READERS: dict[str, tuple[str, Callable[[object, str], Any]]] = {
    "service_type": ("service", fields.text),
    "component": ("component", fields.name),
    "workflow": ("workflow", fields.name),
    "models": ("models", _model_names),
    "geographic_region": ("region", fields.text_or_texts),
    "compliance": ("compliance", fields.texts),
    "quality_level": ("quality_level", _quality_level),
    "cost_tier": ("cost_tier", _cost_tier),
    "constraints": ("constraints", conditions.constraints),
}


def _hardware(value: object, pointer: str, *, above: bool) -> dict[str, Any]:
    """hardware (numbers above 0) and gpu_model, each left out where it demands nothing."""
    if value is None:
        return {}
    given = fields.members(value, pointer, (*HARDWARE_NUMBERS, "gpu_model"))
    numbers: dict[str, int] = {}
    for key in HARDWARE_NUMBERS:
        if key not in given:
            continue
        at = fields.child(pointer, key)
        amount = fields.quantity(given[key], at, fields.scale_of(key), above=above)
        if amount:
            numbers[key] = amount
        elif above:
            fields.refuse(given[key], at, "is too small to tell from 0")
    parts: dict[str, Any] = {"hardware": numbers} if numbers else {}
    if "gpu_model" in given:
        models = fields.text_or_texts(given["gpu_model"], fields.child(pointer, "gpu_model"))
        parts["gpu_model"] = [fields.lower_ascii(model) for model in models]
    return parts


def _unwanted(value: object, pointer: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    for key in fields.object_at(value, pointer):
        if key in _KEYS and key not in _NOT_KEYS:
            raise InvalidField.at(fields.child(pointer, key), "is not allowed inside not")
    parts = _demands(fields.members(value, pointer, _NOT_KEYS), pointer, above=True)
    if "models" in parts and "service" not in wanted:
        sent = cast("dict[str, Any]", value)["models"]
        fields.refuse(sent, fields.child(pointer, "models"), "needs service_type")
    return parts


_NOTHING = _read({}, "")
