"""Commands that hold work back or share it out: pause, resume, customers, queues."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from empq.allinone.rest_calls import segment
from empq.cli.connection import HubFlag, JsonFlag, KeyFlag, connected
from empq.cli.output import facts, say, table, usage_error, write_json
from empq.cli.submit import encoded


class Scope(StrEnum):
    """What a pause holds back."""

    CUSTOMER = "customer"
    SERVICE = "service"
    TYPE = "type"
    WORKER = "worker"


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    for command in (pause, resume, customers, queues):
        app.command()(command)


def pause(
    scope: Annotated[
        Scope | None, typer.Argument(help="What to pause; without it the pauses are listed.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for those who come after.")] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Stop new assignments of a service, job type, customer or worker; what runs goes on.

    Example: empq pause service comfyui --reason "driver update"
    """
    link = connected(hub, key)
    if scope is None:
        _list(link.get("/api/pauses"), as_json)
        return
    if name is None:
        raise usage_error(f"which {scope}? For example: empq pause {scope} NAME")
    body = link.post("/api/pauses", encoded({"scope": scope.value, "name": name, "reason": reason}))
    if as_json:
        write_json(body)
    else:
        say(f"{scope} {name} is paused; go on with: empq resume {scope} {name}")


def resume(
    scope: Annotated[
        str, typer.Argument(metavar="WORKER|SCOPE", help="A drained worker, or what was paused.")
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which service, type, customer or worker was paused."),
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Let a drained worker take jobs again, or end the pauses of a service, type, customer or worker.

    Example: empq resume gpu-3
    Example: empq resume service comfyui
    """
    from empq.allinone.answers import read

    link = connected(hub, key)
    if name is None:
        body = link.post(f"/api/workers/{segment(scope)}/resume")
        write_json(body) if as_json else say(f"{scope} takes jobs again")
        return
    if scope not in [one.value for one in Scope]:
        raise usage_error(f"{scope!r}: expected one of {', '.join(one.value for one in Scope)}")
    pauses = read(link.get("/api/pauses"), dict[str, list[dict[str, Any]]])["pauses"]
    ended = [one["id"] for one in pauses if (one["scope"], one["name"]) == (scope, name)]
    for pause_id in ended:
        link.call("DELETE", f"/api/pauses/{segment(pause_id)}")
    if as_json:
        write_json(encoded({"ended": ended}))
    else:
        say(f"{scope} {name} goes on" if ended else f"{scope} {name} was not paused")


def customers(
    name: Annotated[
        str | None,
        typer.Argument(metavar="CUSTOMER", help="Whose; without it all with settings are listed."),
    ] = None,
    weight: Annotated[
        int | None, typer.Option(metavar="N", help="Share under the order fair.", show_default="1")
    ] = None,
    max_active: Annotated[
        int | None, typer.Option(metavar="N", help="Most jobs that are assigned or running.")
    ] = None,
    max_queued: Annotated[
        int | None, typer.Option(metavar="N", help="Most jobs that wait.")
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Show customers, or set one's weight and quotas (what is not stated is taken away).

    Example: empq customers acme --weight 3 --max-active 20
    """
    from empq.allinone.answers import read

    link = connected(hub, key)
    if name is None:
        body = link.get("/api/customers")
        if as_json:
            write_json(body)
            return
        rows = read(body, dict[str, list[dict[str, Any]]])["customers"]
        columns = ("customer_id", "weight", "max_active", "max_queued", "active", "waiting")
        table(
            columns,
            ([row[column] for column in columns] for row in rows),
            "no customer has settings of its own",
        )
        return
    stated = {"weight": weight, "max_active": max_active, "max_queued": max_queued}
    path = f"/api/customers/{segment(name)}"
    if any(value is not None for value in stated.values()):
        body = link.call("PUT", path, encoded(stated))
    else:
        body = link.get(path)
    write_json(body) if as_json else facts(read(body, dict[str, Any]).items())


def queues(as_json: JsonFlag = False, hub: HubFlag = None, key: KeyFlag = None) -> None:
    """Show what is queued for each service, and how long the oldest has waited.

    Example: empq queues
    """
    from empq.allinone.answers import read

    body = connected(hub, key).get("/api/queues")
    if as_json:
        write_json(body)
        return
    rows = read(body, dict[str, list[dict[str, Any]]])["queues"]
    table(
        ("service", "queued", "oldest has waited"),
        (
            (row["service"] or "(any)", row["queued"], _seconds(row["oldest_wait_seconds"]))
            for row in rows
        ),
        "no service is known",
    )


def _list(body: bytes, as_json: bool) -> None:
    from empq.allinone.answers import read

    if as_json:
        write_json(body)
        return
    rows = read(body, dict[str, list[dict[str, Any]]])["pauses"]
    columns = ("scope", "name", "reason", "created_at", "id")
    table(columns, ([row[column] for column in columns] for row in rows), "nothing is paused")


def _seconds(waited: float | None) -> str | None:
    return None if waited is None else f"{waited:.1f} s"
