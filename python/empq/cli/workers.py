"""Commands about the fleet: workers, drain, stats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from empq.allinone.rest_calls import segment
from empq.allinone.times import age
from empq.cli.connection import HubFlag, JsonFlag, KeyFlag, connected
from empq.cli.output import facts, say, table, write_json
from empq.cli.submit import encoded

if TYPE_CHECKING:
    from empq.allinone.answers import Worker

WorkerId = Annotated[str, typer.Argument(metavar="WORKER")]


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    for command in (workers, drain, stats):
        app.command()(command)


def workers(as_json: JsonFlag = False, hub: HubFlag = None, key: KeyFlag = None) -> None:
    """List the workers: what they offer and what they run.

    Example: empq workers
    """
    from empq.allinone.answers import Workers, read

    body = connected(hub, key).get("/api/workers")
    if as_json:
        write_json(body)
        return
    rows = (_row(one) for one in read(body, Workers).workers)
    columns = ("worker", "status", "slots", "services", "gpu", "runs", "done", "failed", "heard")
    table(columns, rows, "no workers; start one with: empq worker --simulate --id sim-1")


def drain(
    worker_id: WorkerId,
    deadline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Release what still runs after this long."),
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Let a worker finish what it holds and take nothing new.

    Example: empq drain gpu-3 --deadline 600
    """
    stated = {} if deadline is None else {"deadline_seconds": deadline}
    body = connected(hub, key).post(f"/api/workers/{segment(worker_id)}/drain", encoded(stated))
    if as_json:
        write_json(body)
    else:
        say(f"{worker_id} drains")


def stats(as_json: JsonFlag = False, hub: HubFlag = None, key: KeyFlag = None) -> None:
    """Show how many jobs and workers there are, by state, and what no worker can take.

    Example: empq stats
    """
    from empq.allinone.answers import UnmetDemand, read

    body = connected(hub, key).get("/api/stats")
    if as_json:
        write_json(body)
        return
    stated = read(body, dict[str, Any])
    unmet = msgspec.convert(stated.pop("unmet_demand", {}), UnmetDemand)
    facts(flattened(stated))
    if unmet.total:
        noun = "job" if unmet.jobs == 1 else "jobs"
        say(f"\n{unmet.jobs} {noun} that no worker here can ever take:")
        rows = (
            (
                one.count,
                None if one.oldest_wait_seconds is None else f"{one.oldest_wait_seconds:.0f} s",
                one.type,
                one.reason,
                one.nearest_miss,
            )
            for one in unmet.shapes
        )
        table(("jobs", "oldest wait", "type", "why", "what would help"), rows, "")


def flattened(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Nested objects as dotted names and single values, in the order of the answer."""
    if isinstance(value, list):
        return [(name, encoded(cast("list[Any]", value)).decode())]
    if not isinstance(value, dict):
        return [(name, value)]
    found = cast("dict[str, Any]", value)
    return [
        pair
        for part, inner in found.items()
        for pair in flattened(inner, f"{name}.{part}" if name else part)
    ]


def _row(worker: Worker) -> tuple[Any, ...]:
    hardware = worker.capabilities.hardware
    memory = hardware.gpu_memory_gb if hardware else None
    return (
        worker.worker_id,
        worker.status,
        f"{worker.slots.held}/{worker.slots.total}",
        ", ".join(str(service) for service in worker.capabilities.services),
        None if memory is None else f"{memory:g} GB",
        ", ".join(held.job_id for held in worker.current_jobs),
        worker.jobs_completed,
        worker.jobs_failed,
        age(worker.last_heartbeat),
    )
