"""The flags of `empq hub`, made from the settings: one per setting, kebab-case."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from empq.settings import SECRETS, Settings

FLAG_NAMES = {"redis_url": "redis"}


class HubCall(NamedTuple):
    """What the command line of `empq hub` states."""

    flags: dict[str, Any]
    config: Path | None
    print_config: bool
    parent_fd: int | None


def parsed(arguments: list[str]) -> HubCall:
    """Reads the arguments; prints help or the usage error and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="empq hub",
        description="Run a hub on a Redis of yours.",
        epilog="Example: empq hub --redis redis://127.0.0.1:6379/0 --port 8000. "
        "Each flag is also EMPQ_NAME in the environment and name in empq.toml; flags win.",
        allow_abbrev=False,
    )
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        _add_flag(parser, field.name, hints[field.name], field.default)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (./empq.toml)")
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print what is in force and from where, then end",
    )
    parser.add_argument("--parent-fd", type=int, help=argparse.SUPPRESS)
    stated = dict(vars(parser.parse_args(arguments)))
    special = [stated.pop(name) for name in ("config", "print_config", "parent_fd")]
    return HubCall({name: value for name, value in stated.items() if value is not None}, *special)


def _add_flag(parser: argparse.ArgumentParser, name: str, annotated: Any, default: object) -> None:
    # Annotated[kind, Meta] or, where nothing stated is a value, Annotated[kind, Meta] | None.
    inner = annotated if get_origin(annotated) is Annotated else get_args(annotated)[0]
    kind, *notes = get_args(inner)
    help_text = next((note.description for note in notes if note.description), "")
    if kind is bool:
        parser.add_argument(
            _flag(name), dest=name, action="store_const", const=True, help=help_text
        )
        return
    if default is not None and name not in SECRETS:
        help_text += f" (default {default})"
    choices = [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else None
    parser.add_argument(
        _flag(name),
        dest=name,
        choices=choices,
        metavar=None if choices else _flag(name).lstrip("-").replace("-", "_").upper(),
        help=help_text.replace("%", "%%"),
    )


def _flag(name: str) -> str:
    return "--" + FLAG_NAMES.get(name, name).replace("_", "-")
