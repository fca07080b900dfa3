"""The data folder of `empq up`: where it is by default, its admin key, and the address that commands find there."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from empq.errors import StartRefused
from empq.settings_sources import environment

KEY_FILE, ADDRESS_FILE = "admin.key", "hub.url"


def default_data_folder() -> Path:
    """$XDG_DATA_HOME/empq, else ~/.local/share/empq."""
    stated = environment().get("XDG_DATA_HOME", "")
    base = Path(stated) if stated.startswith("/") else Path.home() / ".local" / "share"
    return base / "empq"


def kept_key(folder: Path) -> str:
    """The folder's admin key; made, readable by its owner alone, where there is none yet."""
    path = folder / KEY_FILE
    if key := noted(path):
        return key
    key = f"empq_{secrets.token_urlsafe(24)}"
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key + "\n")
    except OSError as error:
        raise StartRefused(f"cannot write {path}: {error.strerror}") from None
    return key


def noted(path: Path) -> str | None:
    """The text of a small file, stripped; None where there is none or it is empty."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip() or None
    return None
