"""Where settings come from: defaults < empq.toml < EMPQ_* environment < flags; the only reader of the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from empq.errors import StartRefused
from empq.settings import SECRETS, Settings, without_password

FILE_NAME = "empq.toml"
TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})


class Configured(NamedTuple):
    """The settings in force and, for each, where it came from."""

    settings: Settings
    origins: dict[str, str]


def environment() -> Mapping[str, str]:
    """The process's environment, for the parts that pass it on to children."""
    return os.environ


def load(flags: Mapping[str, Any], file: Path | None = None) -> Configured:
    """Reads all sources; `flags` holds the stated flags only. Raises StartRefused naming the source and the rule."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    for origin, source in (
        (str(file or FILE_NAME), _from_file(file)),
        ("environment", _from_environment(os.environ)),
        ("flag", dict(flags)),
    ):
        for name, value in source.items():
            values[name] = value
            origins[name] = f"EMPQ_{name.upper()}" if origin == "environment" else origin
    for name in list(values):
        if name not in Settings.__struct_fields__:
            raise StartRefused(f"{origins.get(name, 'empq.toml')}: unknown setting {name!r}")
        try:
            msgspec.convert({name: values[name]}, Settings, strict=False)
        except msgspec.ValidationError as error:
            shown = "its value" if name in SECRETS else repr(values[name])
            rule = str(error).partition(" - at `$")[0].replace(" | null", "").replace("`", "")
            rule = rule[:1].lower() + rule[1:]
            raise StartRefused(f"{origins[name]}: {name} = {shown}: {rule}") from None
    return Configured(msgspec.convert(values, Settings, strict=False), origins)


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or Path(FILE_NAME)
    if not path.exists():
        if file is not None:
            raise StartRefused(f"{path}: no such file")
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartRefused(f"{path}: not valid TOML: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        variable = f"EMPQ_{name.upper()}"
        if (path := environ.get(f"{variable}_FILE")) is not None and name in SECRETS | {
            "redis_url"
        }:
            found[name] = _secret_file(variable, path)
        elif (text := environ.get(variable)) is not None:
            found[name] = (
                _boolean(variable, text)
                if Settings.__annotations__[name].find("bool") > 0
                else text
            )
    return found


def _secret_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise StartRefused(f"{variable}_FILE: cannot read {path}: {error.strerror}") from None


def _boolean(variable: str, text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise StartRefused(f"{variable} = {text!r}: expected true or false")
    return text.lower() in TRUE


def printed(configured: Configured) -> str:
    """One line per setting: name, value, origin; secrets are hidden."""
    lines: list[str] = []
    for name in Settings.__struct_fields__:
        value = getattr(configured.settings, name)
        if name in SECRETS:
            value = None if value is None else "***"
        elif name == "redis_url":
            value = without_password(value)
        lines.append(f"{name} = {value!r}  # {configured.origins[name]}")
    return "\n".join(lines)
