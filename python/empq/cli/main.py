"""The command `empq`: its table of commands, and what becomes of errors.

Exit codes: 0 ok, 1 the job failed, 2 usage, 3 cannot reach the hub, 4 not allowed; 70 a fault of empq itself.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from empq.allinone.rest_calls import HubRefused, HubUnreachable
from empq.allinone.standard_streams import (
    forget_closed_output,
    keep_standard_descriptors,
    tolerate_any_encoding,
)
from empq.cli import jobs, limits, serve, submit, watch, workers
from empq.cli.output import complain, say
from empq.errors import EmpqError, StartRefused
from empq.settings_sources import environment

USAGE, UNREACHABLE, NOT_ALLOWED, INTERRUPTED, FAULT = 2, 3, 4, 130, 70


class Commands(TyperGroup):
    """All commands; turns every error into a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
            return answer
        except BrokenPipeError:
            forget_closed_output()
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (HubUnreachable, HubRefused, StartRefused, EmpqError) as error:
            complain(str(error))
            raise typer.Exit(exit_code(error)) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order below, not by name."""
        return list(self.commands)


def exit_code(error: Exception) -> int:
    """The exit code that an error means."""
    if isinstance(error, HubUnreachable):
        return UNREACHABLE
    if isinstance(error, HubRefused):
        if error.status in (401, 403):
            return NOT_ALLOWED
        return UNREACHABLE if error.status >= 500 else USAGE
    return USAGE


def _version(asked: bool) -> None:
    if asked:
        from empq import __version__

        say(f"empq {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def empq(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """A job queue for fleets of unequal GPU machines. Start with: empq up"""


for part in (serve, submit, watch, jobs, workers, limits):
    part.add_commands(app)


def main() -> None:
    """Runs the command line; no user ever sees a traceback unless EMPQ_LOG_LEVEL is debug."""
    keep_standard_descriptors()
    tolerate_any_encoding()
    try:
        app(prog_name="empq")
    except Exception as error:
        complain(f"a fault of empq itself, please report it: {type(error).__name__}: {error}")
        if environment().get("EMPQ_LOG_LEVEL") == "debug":
            traceback.print_exc()
        sys.exit(FAULT)
