"""`empq-worker`: the command line of the worker program."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from empq import __version__
from empq.errors import StartRefused
from empq.worker import configuration
from empq.worker.exits import WorkerExit
from empq.worker.runtime import GRACE_SECONDS, Worker
from empq.worker.settings_sources import environment

USAGE_ERROR = 2
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
EXAMPLES = """\
examples:
  empq-worker                                      reads ./worker.toml
  empq-worker --comfyui http://127.0.0.1:8188      asks the ComfyUI server what it can do
  empq-worker gpu.toml --hub http://hub:8000 --id gpu-1
  empq-worker --simulate --id sim-1                pretends; for trying out

Every setting: flag over environment (EMPQ_HUB, EMPQ_TOKEN or EMPQ_TOKEN_FILE, EMPQ_WORKER_ID) over file.
SIGTERM or Ctrl-C: takes nothing new, finishes what runs within the grace, then gives the rest back;
a second one gives it back at once. Exit status: 0 drained, 1 replaced by another worker, 2 wrong
settings, 4 token not accepted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; the result is the exit status."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=arguments.log_level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        return _in_loop(_run(_flags(arguments)))
    except StartRefused as error:
        return _end(str(error), USAGE_ERROR)
    except WorkerExit as error:
        return _end(str(error), error.code)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    made = argparse.ArgumentParser(
        prog="empq-worker",
        description="Takes jobs from an empq hub and runs them on the services of this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--version", action="version", version=f"empq-worker {__version__}")
    add("file", nargs="?", type=Path, help="worker.toml (default: ./worker.toml)")
    add("--config", type=Path, metavar="FILE", help="the same as the positional file")
    add("--hub", metavar="URL", help=f"address of the hub (default: {configuration.DEFAULT_HUB})")
    add("--token", help="API key; better in EMPQ_TOKEN or EMPQ_TOKEN_FILE")
    add("--id", metavar="NAME", help="the worker's id (default: the host's name)")
    add("--slots", type=_count, metavar="N", help="jobs at a time")
    add("--comfyui", metavar="URL", help="one ComfyUI server, no file; its models are probed")
    add("--simulate", action="store_true", help="services that only pretend, no file")
    add(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="how long runs may go on after SIGTERM (default: %(default)g)",
    )
    add("--log-level", default="info", choices=LOG_LEVELS, help="least severe log line")
    return made


def _flags(arguments: argparse.Namespace) -> configuration.Flags:
    if arguments.file and arguments.config:
        raise StartRefused("--config: a file is named already; name one")
    return configuration.Flags(
        file=arguments.file or arguments.config,
        hub=arguments.hub,
        token=arguments.token,
        worker_id=arguments.id,
        slots=arguments.slots,
        comfyui=arguments.comfyui,
        simulate=arguments.simulate,
        grace_seconds=arguments.grace,
    )


async def _run(flags: configuration.Flags) -> int:
    worker: Worker = configuration.load(flags, environment())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.drain)
    await worker.run()
    return 0


def _in_loop(program: Coroutine[Any, Any, int]) -> int:
    if sys.platform == "win32":
        return asyncio.run(program)
    import uvloop

    return uvloop.run(program)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def _end(sentence: str, code: int) -> int:
    print(f"empq-worker: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
