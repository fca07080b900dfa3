"""[worker.capabilities] of worker.toml: its shape, checked before a hub sees it. Source: matching.md, "A worker's capabilities"."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1)]
Quantity = Annotated[float, Meta(ge=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=1)]
Names = list[Text] | Literal["all"]
Label = str | float | bool | list[str]


class Table(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A table of the file."""


class ServiceTable(Table):
    """One of `services`."""

    name: Text
    models: Names | None = None
    loaded: list[Text] | None = None
    healthy: bool | None = None
    capacity: Count | None = None


class HardwareTable(Table):
    """`hardware`: what the machine has in all."""

    gpu_memory_gb: Quantity | None = None
    gpu_count: Quantity | None = None
    gpu_model: Text | None = None
    cpu_cores: Quantity | None = None
    ram_gb: Quantity | None = None
    storage_gb: Quantity | None = None


class CustomerAccessTable(Table):
    """`customer_access`: whose jobs are taken."""

    isolation: Literal["none", "loose", "strict"] | None = None
    allowed_customers: list[str] | Literal["all"] | None = None
    denied_customers: list[str] | None = None
    max_concurrent_customers: Count | None = None


class PerformanceTable(Table):
    """`performance`."""

    concurrent_jobs: Count | None = None
    quality_levels: list[Literal["fast", "balanced", "quality"]] | None = None
    max_processing_time_minutes: Quantity | None = None


class LocationTable(Table):
    """`location`."""

    region: Text | None = None
    compliance: list[Text] | None = None


class CostTable(Table):
    """`cost`."""

    tier: Literal["economy", "standard", "premium"] | None = None
    rate_per_hour: Quantity | None = None


class AffinityTable(Table):
    """`affinity`: likes and dislikes among the jobs that fit."""

    preferred_types: list[Text] | None = None
    preferred_customers: list[str] | None = None
    preferred_components: list[Text] | None = None
    avoided_types: list[Text] | None = None
    avoided_customers: list[str] | None = None
    avoided_components: list[Text] | None = None


class CapabilitiesTable(Table):
    """All of it; whatever is missing comes from the connectors and the machine."""

    services: list[ServiceTable] | None = None
    components: Names | None = None
    workflows: Names | None = None
    job_types: Names | None = None
    hardware: HardwareTable | None = None
    customer_access: CustomerAccessTable | None = None
    performance: PerformanceTable | None = None
    location: LocationTable | None = None
    cost: CostTable | None = None
    labels: dict[Text, Label] | None = None
    affinity: AffinityTable | None = None

    def document(self) -> dict[str, Any]:
        """As it travels."""
        return msgspec.to_builtins(self)
