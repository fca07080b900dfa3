"""Commands that run something: up, hub, worker, sim."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

SIMULATED_SERVICES = ("comfyui",)
PARENT_FLAG = "--parent-fd"
PASSED_ON: dict[str, Any] = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": [],
}
"""These commands read their own flags; --help is theirs too."""


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command()(up)
    for command in (hub, worker, sim):
        app.command(context_settings=PASSED_ON, add_help_option=False)(command)


def up(
    port: Annotated[int | None, typer.Option(help="The hub's port.", show_default="8000")] = None,
    workers: Annotated[int, typer.Option(help="How many simulated workers.", min=0)] = 2,
    data: Annotated[
        Path | None,
        typer.Option(help="Where everything is kept.", show_default="~/.local/share/empq"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Ask for no key; loopback addresses only.")
    ] = False,
    accept_dataset: Annotated[
        bool,
        typer.Option(
            "--accept-dataset", help="Go on with the data that is there, whatever was there before."
        ),
    ] = False,
) -> None:
    """Run Redis, a hub and simulated workers in one go; data survives a restart.

    Example: empq up --port 8000 --workers 2
    """
    from empq.allinone.up import run

    raise typer.Exit(run(data, workers, host, port, no_auth, accept_dataset))


def hub(ctx: typer.Context) -> None:
    """Run a hub on a Redis of yours.

    Example: empq hub --redis redis://127.0.0.1:6379/0 --port 8000
    """
    from empq.cli.hub_flags import parsed
    from empq.settings_sources import load, printed

    call = parsed(ctx.args)
    configured = load(call.flags, call.config)
    if call.print_config:
        print(printed(configured))
        return
    if call.parent_fd is not None:
        _watch_parent(call.parent_fd)
    from empq.hub.server import run

    run(configured)


def worker(ctx: typer.Context) -> None:
    """Run a worker: empq-worker under its other name.

    Example: empq worker --comfyui http://127.0.0.1:8188
    """
    _run("empq.worker.main", ctx.args)


def sim(ctx: typer.Context) -> None:
    """Run a stand-in of a service, for trying out and for tests.

    Example: empq sim comfyui --port 8188
    """
    service, *arguments = ctx.args or [""]
    if service not in SIMULATED_SERVICES:
        print(f"Usage: empq sim {' | '.join(SIMULATED_SERVICES)} [--port PORT]")
        raise typer.Exit(0 if service in ("-h", "--help") else 2)
    _run(f"empq.sim.{service}", arguments)


def _run(module: str, arguments: list[str]) -> None:
    """Calls a module's main() as its own command line would."""
    arguments = list(arguments)
    if PARENT_FLAG in arguments:
        at = arguments.index(PARENT_FLAG)
        _watch_parent(int(arguments[at + 1]))
        del arguments[at : at + 2]
    raise typer.Exit(import_module(module).main(arguments) or 0)


def _watch_parent(descriptor: int) -> None:
    from empq.allinone.parent_watch import watch_parent

    watch_parent(descriptor)
