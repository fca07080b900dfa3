"""Shape and capability documents as types. What they mean: model/shape.py and model/capabilities.py.

Decoding raises ValueError where a document is malformed; unknown keys are refused, so that no rule
is lost unseen.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, field

Level = Annotated[int, Meta(ge=0, le=2)]
Names = list[str] | Literal["all"]
Operator = Literal[
    "eq", "ne", "in", "not_in", "gt", "ge", "lt", "le", "exists", "not_exists", "contains_all"
]
#: Numbers are scaled integers.
Scalar = str | int | bool
Value = Scalar | list[Scalar]

Resource = Literal["gpu_memory_gb", "gpu_count", "cpu_cores", "ram_gb", "storage_gb"]
HARDWARE: tuple[Resource, ...] = get_args(Resource)


class Condition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One element of `constraints`."""

    key: str
    op: Operator
    value: Value | None = None


class Preference(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One element of `prefer`."""

    key: str
    op: Operator
    weight: int
    value: Value | None = None


class Unwanted(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a job's `not` names."""

    service: str | None = None
    component: str | None = None
    workflow: str | None = None
    models: list[str] = field(default_factory=list[str])
    hardware: dict[Resource, int] = field(default_factory=dict[Resource, int])
    gpu_model: list[str] = field(default_factory=list[str])
    region: list[str] = field(default_factory=list[str])
    compliance: list[str] = field(default_factory=list[str])
    quality_level: str | None = None
    cost_tier: Level | None = None
    constraints: list[Condition] = field(default_factory=list[Condition])


class Shape(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a job demands."""

    job_type: str | None = field(default=None, name="type")
    service: str | None = None
    component: str | None = None
    workflow: str | None = None
    models: list[str] = field(default_factory=list[str])
    hardware: dict[Resource, int] = field(default_factory=dict[Resource, int])
    gpu_model: list[str] = field(default_factory=list[str])
    isolation: Level = 0
    region: list[str] = field(default_factory=list[str])
    compliance: list[str] = field(default_factory=list[str])
    quality_level: str | None = None
    quality_required: bool = False
    cost_tier: Level | None = None
    timeout_minutes: int | None = None
    constraints: list[Condition] = field(default_factory=list[Condition])
    unwanted: Unwanted = field(default_factory=Unwanted, name="not")
    prefer: list[Preference] = field(default_factory=list[Preference])


class Service(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One service of a worker."""

    name: str
    models: Names = field(default_factory=list[str])
    loaded: list[str] = field(default_factory=list[str])
    healthy: bool = True
    capacity: int | None = None


class Affinity(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a worker prefers and avoids."""

    preferred_types: list[str] = field(default_factory=list[str])
    preferred_customers: list[str] = field(default_factory=list[str])
    preferred_components: list[str] = field(default_factory=list[str])
    avoided_types: list[str] = field(default_factory=list[str])
    avoided_customers: list[str] = field(default_factory=list[str])
    avoided_components: list[str] = field(default_factory=list[str])


class Capabilities(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a worker offers; None where it stated nothing."""

    services: list[Service]
    components: Names | None = None
    workflows: Names | None = None
    job_types: Names | None = None
    hardware: dict[Resource, int] = field(default_factory=dict[Resource, int])
    gpu_model: str | None = None
    isolation: Level | None = None
    allowed_customers: list[str] | None = None
    denied_customers: list[str] = field(default_factory=list[str])
    max_concurrent_customers: int | None = None
    concurrent_jobs: int = 1
    quality_levels: list[str] | None = None
    max_processing_time_minutes: int | None = None
    region: str | None = None
    compliance: list[str] | None = None
    cost_tier: Level | None = None
    rate_per_hour: int | None = None
    labels: dict[str, Value] = field(default_factory=dict[str, Value])
    affinity: Affinity = field(default_factory=Affinity)

    def service(self, name: str) -> Service | None:
        """The service of this name."""
        return next((it for it in self.services if it.name == name), None)


_shapes = msgspec.json.Decoder(Shape)
_capabilities = msgspec.json.Decoder(Capabilities)


def read_shape(document: bytes) -> Shape:
    """Reads a shape document."""
    return _shapes.decode(document)


def read_capabilities(document: bytes) -> Capabilities:
    """Reads a capability document."""
    return _capabilities.decode(document)
