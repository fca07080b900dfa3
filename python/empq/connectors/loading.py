"""From a connector's kind to its class: the built-in ones, then the entry points `empq.connectors`."""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

import msgspec

from empq.connectors.base import Connector
from empq.errors import StartRefused

ENTRY_POINTS = "empq.connectors"

AnyConnector = Connector[Any]

BUILT_IN = {
    "comfyui": "empq.connectors.comfyui:ComfyuiConnector",
    "simulation": "empq.connectors.simulation:SimulationConnector",
}


def connector_class(kind: str, where: str) -> type[AnyConnector]:
    """The class of a kind. Raises StartRefused that names the known kinds."""
    if (target := BUILT_IN.get(kind)) is not None:
        module, _, name = target.partition(":")
        return getattr(import_module(module), name)
    others = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if kind not in others:
        known = ", ".join(sorted({*BUILT_IN, *others}))
        raise StartRefused(f"{where}.kind = {kind!r}: unknown; the known kinds are {known}")
    try:
        found: Any = others[kind].load()
    except Exception as error:
        raise StartRefused(f"{where}.kind = {kind!r}: cannot be loaded: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, Connector)):
        raise StartRefused(f"{where}.kind = {kind!r}: {found!r} is not an empq.Connector")
    return cast(type[AnyConnector], found)


def build(connector: type[AnyConnector], settings: dict[str, Any], where: str) -> AnyConnector:
    """A connector with its settings. Raises StartRefused that names the wrong key by path."""
    try:
        return connector(msgspec.convert(settings, connector.Settings))
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        raise StartRefused(f"{where}{path.rstrip('`')}: {rule.replace(' | null', '')}") from None
