"""The tables of docs/protocol.md, made from the route table, the message structs and the errors.

A block of the page stands between `<!-- generated: name -->` and `<!-- end -->`; the prose around it is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from empq.api.problems import RETRY_AFTER_SECONDS, STATUS
from empq.api.route_table import ROUTES
from empq.errors import all_errors
from empq.messages import client, rest, worker

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: The fields of every message and reply; told once, above the tables.
COMMON = frozenset({"id", "timestamp", "reply_to"})
WORDS: dict[type, str] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.AnyType: "any JSON",
    inspect.RawType: "any JSON",
    inspect.BytesType: "base64",
}


def filled(page: str) -> str:
    """The page with every generated block made anew."""
    return BLOCK.sub(lambda block: block[1] + "\n".join(BLOCKS[block[2]]()) + "\n" + block[3], page)


def routes() -> Iterator[str]:
    """One row per call."""
    yield "| call | what it does | query | body | answer |"
    yield "|---|---|---|---|---|"
    for route in ROUTES:
        body = (
            "the bytes"
            if route.body is bytes
            else "a job"
            if route.body is rest.JobRequest
            else brief(route.body)
        )
        answer = f"{route.status} {brief(route.answer)}".strip()
        yield f"| `{route.method} {route.path}` | {route.summary} | {brief(route.query)} | {body} | {answer} |"


def brief(kind: Any) -> str:
    """A struct's fields by name, `?` behind those that may be left out."""
    if not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return ""
    fields = msgspec.structs.fields(kind)
    return ", ".join(f"`{field.encode_name}{'' if field.required else '?'}`" for field in fields)


def bodies() -> Iterator[str]:
    """One row per field of the bodies that workers and clients send."""
    yield "| body | field | value |"
    yield "|---|---|---|"
    for name, kind in (
        ("a job", rest.JobRequest),
        ("a registration", rest.RegisterWorker),
        ("a heartbeat", rest.HeartbeatRequest),
        ("a claim", rest.ClaimRequest),
        ("progress", rest.ProgressRequest),
        ("a result", rest.CompleteRequest),
        ("a failure", rest.FailRequest),
        ("a release", rest.ReleaseRequest),
        ("a pause", rest.PauseRequest),
        ("a customer", rest.CustomerRequest),
    ):
        for field in msgspec.structs.fields(kind):
            needed = "" if field.required else "?"
            yield f"| {name} | `{field.encode_name}{needed}` | {words(inspect.type_info(field.type))} |"
            name = ""


def messages(kinds: Iterable[type[msgspec.Struct]]) -> Iterator[str]:
    """One row per message."""
    yield "| type | fields | meaning |"
    yield "|---|---|---|"
    for kind in kinds:
        fields = [
            field for field in msgspec.structs.fields(kind) if field.encode_name not in COMMON
        ]
        told = ", ".join(
            f"`{field.encode_name}{'' if field.required else '?'}` {words(inspect.type_info(field.type))}"
            for field in fields
        )
        if kind is client.SubmitJob:
            told = "those of a job, its type as `job_type`; `idempotency_key?` text"
        meaning = " ".join((kind.__doc__ or SUBMIT_JOB).split())
        yield f"| `{kind.__struct_config__.tag}` | {told} | {meaning} |"


SUBMIT_JOB = "Submits a job; job_accepted answers."


def words(kind: inspect.Type) -> str:
    """A field's type and bounds in words."""
    if isinstance(kind, inspect.Metadata):
        return words(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(
            words(part) for part in kind.types if not isinstance(part, inspect.NoneType)
        )
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        noun = "whole number" if isinstance(kind, inspect.IntType) else "number"
        return " ".join([noun, *bounds(kind)])
    if isinstance(kind, inspect.StrType):
        most = f" of at most {kind.max_length} characters" if kind.max_length else ""
        return f"text{most}" if kind.pattern is None else f"text like `{kind.pattern}`"
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return f"list of {words(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return "object"
    if isinstance(kind, inspect.StructType):
        return f"{{{', '.join(field.encode_name + ('' if field.required else '?') for field in kind.fields)}}}"
    return WORDS[type(kind)]


def bounds(kind: inspect.IntType | inspect.FloatType) -> Iterator[str]:
    """`0..100`, `> 0`: as short as it can be told."""
    if kind.ge is not None and kind.le is not None:
        yield f"{kind.ge:,}..{kind.le:,}".replace(",", " ")
        return
    for sign, bound in ((">=", kind.ge), (">", kind.gt), ("<=", kind.le), ("<", kind.lt)):
        if bound is not None:
            yield f"{sign} {bound:,}".replace(",", " ")


def errors() -> Iterator[str]:
    """One row per error code."""
    yield "| status | code | means | Retry-After |"
    yield "|---|---|---|---|"
    kinds = all_errors()
    for code, status in STATUS.items():
        means = " ".join((kinds[code].__doc__ or "").split()).replace("|", "\\|")
        seconds = RETRY_AFTER_SECONDS.get(code)
        yield f"| {status} | `{code}` | {means} | {'' if seconds is None else f'{seconds} s'} |"


def sent_to(module: Any) -> list[type[msgspec.Struct]]:
    """The tagged structs of a module that a hub sends."""
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__module__ == module.__name__
        and kind.__struct_config__.tag
        and not issubclass(kind, worker.Message)
        and kind is not worker.Reply
    ]


BLOCKS: dict[str, Callable[[], Iterator[str]]] = {
    "routes": routes,
    "bodies": bodies,
    "errors": errors,
    "worker_to_hub": lambda: messages(worker.WorkerMessage.__args__),
    "hub_to_worker": lambda: messages(sent_to(worker)),
    "client_to_hub": lambda: messages(client.ClientMessage.__args__),
    "hub_to_client": lambda: messages(sent_to(client)),
}
