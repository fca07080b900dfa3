"""What the worker says of itself: what its file states, filled up by what its connectors and machine know."""

from __future__ import annotations

from typing import Any

from empq.worker.services import Services

Capabilities = dict[str, Any]


def capabilities(
    stated: Capabilities, services: Services, machine: dict[str, float | str], slots: int
) -> Capabilities:
    """The document of a registration. Stated services keep what is stated of them; a service's health always comes from its connector."""
    offered = {offer["name"]: offer for offer in services.offers()}
    listed: list[dict[str, Any]] = [
        {**offered.pop(service["name"], {}), **service} for service in stated.get("services", [])
    ]
    listed += offered.values()
    hardware = {**machine, **services.hardware(), **stated.get("hardware", {})}
    performance = {**stated.get("performance", {}), "concurrent_jobs": slots}
    return {**stated, "services": listed, "hardware": hardware, "performance": performance}


def changes(before: Capabilities, after: Capabilities) -> Capabilities:
    """The merge patch from one document to the next, health apart (that travels with heartbeats); {} where nothing is to be told."""
    known = {service["name"]: service for service in before["services"]}
    patch: Capabilities = {}
    services: dict[str, Any] = {}
    for service in after["services"]:
        old = known.get(service["name"], {})
        changed = {
            field: service[field]
            for field in ("models", "loaded")
            if field in service and service[field] != old.get(field)
        }
        if changed:
            services[service["name"]] = changed
    if services:
        patch["services_by_name"] = services
    if after["hardware"] != before["hardware"]:
        patch["hardware"] = after["hardware"]
    return patch
