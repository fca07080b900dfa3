"""What the environment says to a worker; the only reader of it here. Flags over environment over file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from empq.errors import StartRefused


class FromEnvironment(NamedTuple):
    """EMPQ_HUB, EMPQ_TOKEN (or EMPQ_TOKEN_FILE) and EMPQ_WORKER_ID; None where not set."""

    hub: str | None
    token: str | None
    worker_id: str | None


def environment(variables: Mapping[str, str] = os.environ) -> FromEnvironment:
    """Reads them. Raises StartRefused where the file of a secret cannot be read."""
    return FromEnvironment(
        variables.get("EMPQ_HUB") or None,
        _secret(variables, "EMPQ_TOKEN"),
        variables.get("EMPQ_WORKER_ID") or None,
    )


def _secret(variables: Mapping[str, str], name: str) -> str | None:
    if path := variables.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip() or None
        except OSError as error:
            raise StartRefused(f"{name}_FILE: cannot read {path}: {error.strerror}") from None
    return variables.get(name) or None
