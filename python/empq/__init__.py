"""empq: a job queue for fleets of unequal GPU machines.

The names that users may import; each is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empq.client import Client, HubUnreachable, SyncClient
    from empq.connectors.base import Connector
    from empq.worker.runtime import Worker

try:
    __version__ = version("empq")
except PackageNotFoundError:  # running from a source tree that is not installed
    __version__ = "0.0.0"

__all__ = ["Client", "Connector", "HubUnreachable", "SyncClient", "Worker", "__version__"]

_HOMES = {
    "Client": "empq.client",
    "HubUnreachable": "empq.client",
    "SyncClient": "empq.client",
    "Connector": "empq.connectors.base",
    "Worker": "empq.worker.runtime",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'empq' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
