"""Commands about jobs that exist: job, jobs, cancel, retry, explain, match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from empq.allinone.rest_calls import Hub, segment
from empq.allinone.times import age, between, span
from empq.cli.connection import HubFlag, JsonFlag, KeyFlag, connected
from empq.cli.output import facts, say, table, usage_error, write_json
from empq.cli.submit import JSON_SOURCE, encoded, json_from
from empq.errors import StartRefused
from empq.model.lifecycle import STATES

if TYPE_CHECKING:
    from empq.allinone.answers import Job

PAGE = 1000

JobId = Annotated[str, typer.Argument(metavar="ID")]


def _known_state(status: str | None) -> str | None:
    if status is not None and status not in STATES:
        raise StartRefused(f"--status {status}: expected one of {', '.join(STATES)}")
    return status


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    for command in (job, jobs, cancel, retry, explain, match):
        app.command()(command)


def job(job_id: JobId, as_json: JsonFlag = False, hub: HubFlag = None, key: KeyFlag = None) -> None:
    """Show one job.

    Example: empq job 0193f0c1-… --json
    """
    from empq.allinone.answers import Job, read

    body = connected(hub, key).get(f"/api/jobs/{segment(job_id)}")
    if as_json:
        write_json(body)
    else:
        show_job(read(body, Job))


def jobs(
    status: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(STATES)}.", callback=_known_state)
    ] = None,
    type: Annotated[str | None, typer.Option(help="The jobs' type.")] = None,
    customer: Annotated[str | None, typer.Option(help="Whose jobs.")] = None,
    worker: Annotated[str | None, typer.Option(help="Which worker's.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Of which workflow.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where `next_cursor` of --json points.")
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """List jobs, newest first; a narrow terminal shows fewer columns.

    Example: empq jobs --status failed --limit 20
    """

    filters = {
        "status": status,
        "type": type,
        "customer_id": customer,
        "worker_id": worker,
        "workflow_id": workflow,
    }
    calls = connected(hub, key)
    if as_json:
        write_json(calls.get("/api/jobs", {"limit": limit, "cursor": cursor, **filters}))
        return
    rows = (
        (
            one.id,
            one.type,
            one.status,
            one.priority,
            one.customer_id,
            one.worker_id,
            one.percent,
            age(one.created_at),
        )
        for one in _listed(calls, filters, limit, cursor)
    )
    table(
        ("id", "type", "status", "priority", "customer", "worker", "progress", "created"),
        rows,
        "no jobs",
        spare=("customer", "progress", "priority", "created"),
    )


def cancel(
    job_id: JobId,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the job.")] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Cancel a job, at once and for good.

    Example: empq cancel 0193f0c1-… --reason "wrong prompt"
    """
    stated = {} if reason is None else {"reason": reason}
    body = connected(hub, key).post(f"/api/jobs/{segment(job_id)}/cancel", encoded(stated))
    if as_json:
        write_json(body)
    else:
        say(f"cancelled {job_id}")


def retry(
    job_id: JobId, as_json: JsonFlag = False, hub: HubFlag = None, key: KeyFlag = None
) -> None:
    """Submit a failed, timed out or cancelled job again, as a new one.

    Example: empq retry 0193f0c1-…
    """
    from empq.allinone.answers import Submitted, read

    body = connected(hub, key).post(f"/api/jobs/{segment(job_id)}/retry")
    if as_json:
        write_json(body)
    else:
        say(read(body, Submitted).id)


def explain(
    job_id: Annotated[str | None, typer.Argument(metavar="JOB")] = None,
    worker: Annotated[
        str | None, typer.Option(metavar="WORKER", help="Explain a worker instead of a job.")
    ] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Say which workers could take a waiting job, or which queued jobs a worker could take, and why not the others.

    Example: empq explain 0193f0c1-…
    Example: empq explain --worker gpu-3
    """
    if (job_id is None) == (worker is None):
        raise usage_error("name one job or one worker. For example: empq explain --worker gpu-3")
    link = connected(hub, key)
    if worker is None:
        body = link.get(f"/api/jobs/{segment(job_id or '')}/explain")
        show_explanation(body, as_json)
        return
    body = link.get(f"/api/workers/{segment(worker)}/explain")
    write_json(body) if as_json else show_worker_explanation(body)


def match(
    needs: Annotated[str, typer.Argument(metavar=JSON_SOURCE, help="Requirements.")],
    type: Annotated[str | None, typer.Option(help="The job's type.")] = None,
    customer: Annotated[str | None, typer.Option(help="Whose job it would be.")] = None,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Ask which workers could take a job with these requirements; nothing is stored.

    Example: empq match '{"service_type": "comfyui", "hardware": {"gpu_memory_gb": 24}}'
    """
    body: dict[str, object] = {"requirements": json_from(needs, "requirements")}
    if type is not None:
        body["type"] = type
    if customer is not None:
        body["customer_id"] = customer
    show_explanation(connected(hub, key).post("/api/match", encoded(body)), as_json)


def show_worker_explanation(body: bytes) -> None:
    """The summary, then a row for each shape and customer with jobs queued."""
    from empq.allinone.answers import WorkerExplanation, compact, read

    answer = read(body, WorkerExplanation)
    say(answer.summary)
    rows = (
        (
            shape.count,
            "yes" if shape.eligible else "no",
            shape.type,
            shape.customer_id,
            compact(shape.requirements),
            "; ".join(map(str, shape.rejections)),
        )
        for shape in answer.shapes
    )
    table(("jobs", "takes", "type", "customer", "requirements", "what keeps it away"), rows, "")


def show_job(found: Job) -> None:
    """Everything about a job that is stated, then its attempts."""
    from empq.allinone.answers import compact, text

    plain = (
        ("id", "type", "status", "priority", "customer_id", "workflow_id", "worker_id"),
        ("percent", "message", "current_step", "attempt", "position", "estimated_start"),
        ("run_at", "deadline", "retry_at", "retry_of"),
    )
    times = ("created_at", "queued_at", "assigned_at", "started_at", "ended_at")
    raw = ("payload", "requirements", "inputs", "metadata", "result")
    pairs: list[tuple[str, object]] = [
        *((name, getattr(found, name)) for names in plain for name in names),
        *((name, _moment(getattr(found, name))) for name in times),
        *((name, text(getattr(found, name))) for name in raw),
        ("depends_on", ", ".join(found.depends_on or ())),
        ("error", found.error),
        ("artifacts", ", ".join(one.name for one in found.artifacts or ())),
    ]
    facts((name, value) for name, value in pairs if value not in (None, ""))
    if found.attempts:
        say("")
        rows = (
            (
                one.attempt,
                one.worker_id,
                one.outcome,
                _length(one.assigned_at, one.ended_at),
                None if one.error is None else compact(one.error),
            )
            for one in found.attempts
        )
        table(("attempt", "worker", "outcome", "ran", "error"), rows, "")


def show_explanation(body: bytes, as_json: bool) -> None:
    """An explanation: the verdict, the nearest miss, each worker with what keeps it."""
    from empq.allinone.answers import Explanation, read

    if as_json:
        write_json(body)
        return
    found = read(body, Explanation)
    say(f"{found.verdict}: {found.summary}")
    if found.nearest_miss is not None:
        say(f"nearest miss: {found.nearest_miss}")
    if not found.workers:
        return
    rows = (
        (
            one.worker_id,
            "yes" if one.eligible else "no",
            None if one.score is None else f"{one.score / 100:.2f}",
            "; ".join(str(each) for each in one.rejections),
        )
        for one in found.workers
    )
    table(("worker", "eligible", "score", "what keeps it"), rows, "")


def _listed(
    hub: Hub, filters: dict[str, str | None], limit: int, cursor: str | None
) -> Iterator[Job]:
    """The jobs of as many pages as it takes."""
    from empq.allinone.answers import Page, read

    while limit > 0:
        query = {"limit": min(PAGE, limit), "cursor": cursor, **filters}
        page = read(hub.get("/api/jobs", query), Page)
        yield from page.jobs
        limit -= len(page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return


def _length(start: str | None, end: str | None) -> str | None:
    seconds = between(start, end)
    return None if seconds is None else span(seconds)


def _moment(time: str | None) -> str | None:
    return None if time is None else f"{time} ({age(time)})"
