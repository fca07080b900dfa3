"""Which hub a command speaks to and with which key: flags over environment over what `empq up` notes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from empq.allinone.data_folder import ADDRESS_FILE, KEY_FILE, default_data_folder, noted
from empq.allinone.rest_calls import Hub
from empq.errors import StartRefused
from empq.settings import LOOPBACK
from empq.settings_sources import environment

DEFAULT_HUB = "http://127.0.0.1:8000"
KEY_VARIABLES = ("EMPQ_KEY", "EMPQ_ADMIN_KEY")

HubFlag = Annotated[
    str | None,
    typer.Option("--hub", metavar="URL", help="The hub's address.", show_default="$EMPQ_HUB"),
]
KeyFlag = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The API key.", show_default="$EMPQ_ADMIN_KEY"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="The hub's own JSON, for programs.")]


def connected(hub: str | None, key: str | None) -> Hub:
    """The hub that the flags, the environment or a running `empq up` name."""
    folder = default_data_folder()
    address = hub or environment().get("EMPQ_HUB") or noted(folder / ADDRESS_FILE) or DEFAULT_HUB
    return Hub(address, key or _stated_key() or _kept_key(folder, address))


def _stated_key() -> str | None:
    environ = environment()
    for variable in KEY_VARIABLES:
        if key := environ.get(variable):
            return key
        if path := environ.get(f"{variable}_FILE"):
            key = noted(Path(path))
            if key is None:
                raise StartRefused(f"{variable}_FILE: cannot read a key from {path}")
            return key
    return None


def _kept_key(folder: Path, address: str) -> str | None:
    """The key of this machine's `empq up`; it is for no other machine."""
    host = urlsplit(address if "://" in address else f"http://{address}").hostname
    return noted(folder / KEY_FILE) if host in LOOPBACK else None
