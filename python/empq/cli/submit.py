"""`empq submit`: a job from flags, files or standard input, sent without touching a byte of its payload."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empq.cli.connection import HubFlag, JsonFlag, KeyFlag, connected
from empq.cli.output import say, write_json
from empq.errors import StartRefused

if TYPE_CHECKING:
    from msgspec import Raw

JSON_SOURCE = "JSON|@FILE|-"

Fields = Annotated[
    list[str] | None,
    typer.Option(
        "-p", metavar="NAME=VALUE", help="A field of the payload; VALUE is JSON, else a string."
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command()(submit)


def submit(  # the flags of a job are many
    type: Annotated[str, typer.Argument(help="What kind of job, as workers know it.")],
    fields: Fields = None,
    payload: Annotated[
        str | None, typer.Option(metavar=JSON_SOURCE, help="The whole payload.")
    ] = None,
    needs: Annotated[
        str | None, typer.Option(metavar=JSON_SOURCE, help="The requirements.")
    ] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 100.", show_default="50")] = None,
    customer: Annotated[str | None, typer.Option(help="Whose job it is.")] = None,
    workflow: Annotated[str | None, typer.Option(help="The workflow that it belongs to.")] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="JOB", help="Run once this one is completed; may be repeated."),
    ] = None,
    delay: Annotated[float | None, typer.Option(metavar="SECONDS", help="Run not before.")] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="End it at this time (RFC 3339).")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="An attempt's longest time.", show_default="1800"),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(metavar="N", help="Attempts after the first.", show_default="3")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEXT", help="A note; may be repeated.")
    ] = None,
    once: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Idempotency key: a repeat answers as the first did."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Show its progress until it ends; with --json one line per event."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end, then show it.")] = False,
    as_json: JsonFlag = False,
    hub: HubFlag = None,
    key: KeyFlag = None,
) -> None:
    """Submit a job and print its id.

    Example: empq submit simulation -p steps=20 -p step_ms=100 --needs '{"service_type": "comfyui"}' --watch
    """
    from empq.allinone.answers import Submitted, read
    from empq.cli.watch import await_end, follow

    body: dict[str, object] = {"type": type, "payload": _payload(fields or [], payload)}
    if needs is not None:
        body["requirements"] = json_from(needs, "--needs")
    others = {
        "priority": priority, "customer_id": customer, "workflow_id": workflow, "depends_on": after or None,
        "delay_seconds": delay, "deadline": deadline, "timeout_seconds": timeout, "max_retries": retries,
        "metadata": dict(_pair("--metadata", it) for it in metadata) if metadata else None,
    }  # fmt: skip
    body |= {name: value for name, value in others.items() if value is not None}
    calls = connected(hub, key)
    headers = {} if once is None else {"Idempotency-Key": once}
    answer = calls.post("/api/jobs", encoded(body), headers)
    job_id = read(answer, Submitted).id
    if watch:
        if not as_json:
            say(f"submitted {job_id}")
        raise typer.Exit(follow(calls, job_id, as_json))
    if wait:
        raise typer.Exit(await_end(calls, job_id, None, as_json))
    if as_json:
        write_json(answer)
    else:
        say(job_id)


def json_from(source: str, flag: str) -> Raw:
    """JSON text from an argument: itself, @file or - for standard input; kept byte for byte."""
    import msgspec

    try:
        if source == "-":
            text = sys.stdin.buffer.read()
        elif source.startswith("@"):
            text = Path(source[1:]).read_bytes()
        else:
            text = source.encode()
        _require_json(text)
    except OSError as error:
        raise StartRefused(f"{flag}: cannot read {source[1:]}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StartRefused(f"{flag}: not JSON: {error}") from None
    return msgspec.Raw(text.strip())


def encoded(body: object) -> bytes:
    """JSON; arguments that are not text in the terminal's encoding are refused."""
    import msgspec

    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise StartRefused("an argument holds bytes that are not valid text") from None


def _payload(fields: list[str], payload: str | None) -> object:
    if payload is not None:
        if fields:
            raise StartRefused("-p and --payload: state one of them")
        return json_from(payload, "--payload")
    stated: dict[str, object] = {}
    for field in fields:
        name, value = _pair("-p", field)
        stated[name] = _value(value)
    return stated


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise StartRefused(f"{flag} {text}: expected NAME=VALUE")
    return name, value


def _value(text: str) -> object:
    """The JSON as it was typed (every digit of a number stays), or the text as a string."""
    import msgspec

    try:
        _require_json(text.encode())
    except (ValueError, RecursionError):
        return text
    return msgspec.Raw(text.strip().encode())


def _require_json(text: bytes) -> None:
    """Raises ValueError unless it is JSON; numbers may have any size, as payloads do."""
    json.loads(text.decode(), parse_int=str, parse_float=str, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
