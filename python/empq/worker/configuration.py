"""worker.toml, environment and flags become one configuration; what is wrong is named by source and path."""

from __future__ import annotations

import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Meta

from empq.connectors import loading
from empq.errors import EmpqError, StartRefused
from empq.model.capabilities import decode_capabilities
from empq.model.identifiers import WORKER_ID
from empq.settings import DEFAULT_PORT
from empq.worker.addresses import HubAddress
from empq.worker.runtime import GRACE_SECONDS, Worker
from empq.worker.services import Backend, Breaker
from empq.worker.settings_sources import FromEnvironment

FILE_NAME = "worker.toml"
DEFAULT_HUB = f"http://127.0.0.1:{DEFAULT_PORT}"
SIMULATED_SERVICES = ("comfyui", "a1111", "simulation")
SIMULATED_HARDWARE = {"gpu_memory_gb": 24, "gpu_count": 1}
SIMULATED_SLOTS = 2

Slots = Annotated[int, Meta(ge=1, le=10_000)]
T = TypeVar("T")
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]


class Flags(NamedTuple):
    """What the command line states; None = not stated."""

    file: Path | None = None
    hub: str | None = None
    token: str | None = None
    worker_id: str | None = None
    slots: int | None = None
    comfyui: str | None = None
    simulate: bool = False
    grace_seconds: float = GRACE_SECONDS


class WorkerTable(msgspec.Struct, forbid_unknown_fields=True):
    """[worker] of the file."""

    id: str | None = None
    hub: str | None = None
    token: str | None = None
    slots: Slots | None = None
    capabilities: dict[str, Any] = {}


class ConnectorTable(msgspec.Struct, forbid_unknown_fields=True):
    """One [[connector]] of the file, without the keys that its kind adds."""

    kind: Annotated[str, Meta(min_length=1)]
    service: Annotated[str, Meta(min_length=1)] | None = None
    slots: Slots | None = None
    timeout_seconds: Seconds | None = None
    breaker: Breaker | None = None


class FileTables(NamedTuple):
    """What a worker.toml says, and its name for errors."""

    name: str
    worker: WorkerTable
    connectors: list[dict[str, Any]]


def load(flags: Flags, variables: FromEnvironment) -> Worker:
    """The worker that all sources together describe. Raises StartRefused."""
    tables = _tables(flags)
    stated = tables.worker
    worker_id, id_source = _first(
        (flags.worker_id, "--id"),
        (variables.worker_id, "EMPQ_WORKER_ID"),
        (stated.id, f"{tables.name}: worker.id"),
        (_own_name(), "the host's name"),
    )
    if WORKER_ID.match(worker_id) is None:
        raise StartRefused(
            f"{id_source} = {worker_id!r}: expected 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )
    hub, hub_source = _first(
        (flags.hub, "--hub"),
        (variables.hub, "EMPQ_HUB"),
        (stated.hub, f"{tables.name}: worker.hub"),
        (DEFAULT_HUB, "the default"),
    )
    _check_capabilities(stated.capabilities, tables.name)
    slots = _slots(flags, stated, tables.name)
    backends = [
        _backend(f"{tables.name}: connector[{index}]", table, slots or 1)
        for index, table in enumerate(tables.connectors)
    ]
    return Worker(
        HubAddress.parse(hub, hub_source),
        worker_id,
        backends,
        token=flags.token or variables.token or stated.token,
        slots=slots,
        capabilities=stated.capabilities,
        grace_seconds=flags.grace_seconds,
    )


def _tables(flags: Flags) -> FileTables:
    if flags.simulate or flags.comfyui is not None:
        if flags.file is not None:
            raise StartRefused(f"{flags.file}: a file excludes --simulate and --comfyui")
        return _simulated() if flags.simulate else _only_comfyui(flags.comfyui or "")
    path = flags.file or Path(FILE_NAME)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "" if flags.file else "; name one, or use --comfyui URL or --simulate"
        raise StartRefused(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise StartRefused(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartRefused(f"{path}: not valid TOML: {error}") from None
    for name in document.keys() - {"worker", "connector"}:
        raise StartRefused(f"{path}: {name}: unknown; expected [worker] and [[connector]]")
    connectors: Any = document.get("connector")
    if not isinstance(connectors, list) or not connectors:
        raise StartRefused(f"{path}: connector: at least one [[connector]] is needed")
    table = _convert(document.get("worker", {}), WorkerTable, f"{path}: worker")
    return FileTables(str(path), table, connectors)


def _simulated() -> FileTables:
    capabilities = {"hardware": SIMULATED_HARDWARE}
    connectors = [{"service": service, "kind": "simulation"} for service in SIMULATED_SERVICES]
    table = WorkerTable(slots=SIMULATED_SLOTS, capabilities=capabilities)
    return FileTables("--simulate", table, connectors)


def _only_comfyui(url: str) -> FileTables:
    # As forgiving as --hub: host:port is http.
    address = url if "://" in url else f"http://{url}"
    return FileTables("--comfyui", WorkerTable(), [{"kind": "comfyui", "url": address}])


def _backend(where: str, table: Any, slots: int) -> Backend:
    """`slots` is what a connector takes that states nothing: as many as the worker, whose bound holds for all together."""
    if not isinstance(table, dict):
        raise StartRefused(f"{where}: expected a table, [[connector]]")
    fields = cast(dict[str, Any], table)
    own = {name: fields[name] for name in ConnectorTable.__struct_fields__ if name in fields}
    stated = _convert(own, ConnectorTable, where)
    kind = loading.connector_class(stated.kind, where)
    settings = {name: value for name, value in fields.items() if name not in own}
    return Backend(
        stated.service or kind.service,
        loading.build(kind, settings, where),
        stated.slots or slots,
        stated.timeout_seconds,
        stated.breaker,
    )


def _check_capabilities(stated: dict[str, Any], name: str) -> None:
    """The hub's own rules, before a hub sees them; services may be left to the connectors."""
    try:
        decode_capabilities({"services": [], **stated}, "/worker/capabilities")
    except EmpqError as error:
        pointer, rule = error.errors[0] if error.errors else ("/worker/capabilities", error.detail)
        path = pointer.strip("/").replace("/", ".")
        raise StartRefused(f"{name}: {path}: {rule}") from None


def _slots(flags: Flags, stated: WorkerTable, name: str) -> int | None:
    concurrent: int | None = stated.capabilities.get("performance", {}).get("concurrent_jobs")
    if concurrent and stated.slots and concurrent != stated.slots:
        raise StartRefused(
            f"{name}: worker.slots = {stated.slots}, but "
            f"worker.capabilities.performance.concurrent_jobs = {concurrent}: state one of them"
        )
    return flags.slots or stated.slots or concurrent


def _convert(value: Any, shape: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        raise StartRefused(f"{where}{path.rstrip('`')}: {rule.replace(' | null', '')}") from None


def _first(*sources: tuple[str | None, str]) -> tuple[str, str]:
    return next((value, source) for value, source in sources if value)


def _own_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "worker"
