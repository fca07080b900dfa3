"""A Redis whose power can be cut: killed, and its append-only file cut back to what had been synced.

`kill -9` of Redis loses nothing that it had written; only this tells one fsync policy from another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.support.redis_server import RedisServer

SOURCE = Path(__file__).with_name("synced_lengths.c")


@cache
def shim() -> Path:
    """The compiled library that notes syncs."""
    library = Path(mkdtemp(prefix="empq-shim-")) / "synced_lengths.so"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "a C compiler is missing (Debian, Ubuntu: apt-get install gcc libc6-dev)"
    command = (compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl")
    subprocess.run(command, check=True)
    return library


class PowerCutServer(RedisServer):
    """`cut` is the end of its power; `start` again finds what the disk had."""

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_PRELOAD": str(shim()), "SYNCED_LENGTHS": str(self._notes)}

    @property
    def _notes(self) -> Path:
        return self.folder / "synced"

    def synced(self) -> dict[Path, tuple[int, int]]:
        """(moment of its last sync, ns of the monotonic clock; length synced) of each file."""
        found: dict[Path, tuple[int, int]] = {}
        for line in self._notes.read_text().splitlines():
            at, length, path = line.split(" ", 2)
            found[Path(path)] = (int(at), int(length))
        return found

    def has_synced_log(self) -> bool:
        """Whether a part of the append-only log has been synced since the start."""
        return any(path.name.endswith(".incr.aof") for path in self.synced())

    def cut(self) -> int:
        """Kills it and forgets what was not synced; the moment of the last sync, ns of the monotonic clock."""
        self.kill()
        synced = self.synced()
        for file in (self.folder / "appendonlydir").iterdir():
            if file.name.endswith(".incr.aof"):
                with file.open("r+b") as opened:
                    opened.truncate(synced.get(file, (0, 0))[1])
        return max(at for at, _ in synced.values())
