"""`empq wait` and `empq watch`: until a job ends, silently or with live progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from empq.allinone.rest_calls import Hub, HubRefused, HubUnreachable, segment
from empq.allinone.times import between, span
from empq.cli.connection import HubFlag, JsonFlag, KeyFlag, connected
from empq.cli.output import complain, console, say, shown, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from empq.allinone.answers import Event, Job

WAIT_SECONDS = 30.0
WAITING = frozenset({"pending", "queued"})
OK, FAILED = 0, 1


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command()(wait)
    app.command()(watch)


def wait(
    job_id: Annotated[str, typer.Argument(metavar="ID")],
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Give up after this long (exit 1).")
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Wait until a job has ended; exit 1 unless it completed.

    Example: empq wait 0193f0c1-… && echo done
    """
    raise typer.Exit(await_end(connected(hub, key), job_id, timeout, as_json))


def watch(
    job_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Show a job's progress until it ends (--json: one line per event); exit 1 unless it completed.

    Example: empq watch 0193f0c1-…
    """
    raise typer.Exit(follow(connected(hub, key), job_id, as_json))


def await_end(hub: Hub, job_id: str, timeout: float | None, as_json: bool) -> int:
    """Waits for the end, shows the job, gives the exit code."""
    from empq.allinone.answers import ENDED, Job, read

    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = WAIT_SECONDS if until is None else max(0.0, until - time.monotonic())
        seconds = round(min(WAIT_SECONDS, left), 3)
        body = hub.get(
            f"/api/jobs/{segment(job_id)}/wait", {"timeout_seconds": seconds}, seconds + 30
        )
        job = read(body, Job)
        if job.status in ENDED:
            break
        if until is not None and time.monotonic() >= until:
            complain(f"the job is still {job.status} after {timeout:g} s")
            return FAILED
    if as_json:
        write_json(body)
    else:
        _show_end(job)
    return OK if job.status == "completed" else FAILED


def follow(hub: Hub, job_id: str, as_json: bool) -> int:
    """Shows each event (JSON lines for programs, else a bar or plain lines), then the end; the exit code."""
    events = _events(hub, job_id)
    if as_json:
        status = ""
        for event, data in events:
            write_json(data)
            status = event.status or status
        return OK if status == "completed" else FAILED
    events = _explained(hub, job_id, events)
    target = console()
    if target.is_terminal and not target.is_dumb_terminal:
        _bar(target, events)
    else:
        _lines(events)
    return await_end(hub, job_id, None, False)


def _explained(
    hub: Hub, job_id: str, events: Iterator[tuple[Event, bytes]]
) -> Iterator[tuple[Event, bytes]]:
    """The events; says once what keeps a job that no worker can take, which would only be silent."""
    asked = False
    for event in events:
        if not asked and event[0].status in WAITING:
            asked = True
            _say_why_never(hub, job_id)
        yield event


def _say_why_never(hub: Hub, job_id: str) -> None:
    from empq.allinone.answers import Explanation, read

    # An extra: the job may have begun meanwhile, and another key may not ask.
    with suppress(HubRefused, HubUnreachable):
        found = read(hub.get(f"/api/jobs/{segment(job_id)}/explain"), Explanation)
        if found.verdict == "never":
            say(f"no worker can take it yet: {found.summary}")
            if found.nearest_miss is not None:
                say(f"nearest miss: {found.nearest_miss}")


def _events(hub: Hub, job_id: str) -> Iterator[tuple[Event, bytes]]:
    from empq.allinone.answers import ENDED, Event, read

    for received in hub.events(f"/api/jobs/{segment(job_id)}/events"):
        event = read(received.data, Event)
        yield event, received.data
        if event.status in ENDED:
            return


def _bar(target: Console, events: Iterator[tuple[Event, bytes]]) -> None:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=target, transient=True) as progress:
        bar = progress.add_task("waiting", total=100)
        for event, _ in events:
            progress.update(bar, description=described(event), completed=event.progress or 0)


def _lines(events: Iterator[tuple[Event, bytes]]) -> None:
    before = ""
    for event, _ in events:
        percent = "" if event.progress is None else f" {event.progress:.0f}%"
        if event.status and (line := described(event) + percent) != before:
            say(line)
            before = line


def described(event: Event) -> str:
    """An event in a few words."""
    where = f" on {event.worker_id}" if event.worker_id else ""
    step = event.current_step or event.message
    return shown(event.status + where + (f" ({step})" if step else ""))


def _show_end(job: Job) -> None:
    from empq.allinone.answers import text

    preposition = "by" if job.status == "completed" else "on"
    where = f" {preposition} {job.worker_id}" if job.worker_id else ""
    took = [
        f"{verb} {span(seconds)}"
        for verb, seconds in (
            ("waited", between(job.queued_at, job.assigned_at)),
            ("ran", between(job.assigned_at, job.ended_at)),
        )
        if seconds is not None and seconds >= 0
    ]
    say(f"{job.status}{where}" + (f" ({', '.join(took)})" if took else ""))
    if job.error is not None:
        say(f"  {job.error}")
    if result := text(job.result):
        say(f"  result {result}")
    for artifact in job.artifacts or ():
        say(f"  artifact {artifact.name}")
