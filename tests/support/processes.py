"""empq's programs as real processes on free ports, each with a log file; found ready by asking them, never by waiting."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from tests.support.http_calls import Http
from tests.support.sockets import Socket
from tests.support.waiting import eventually

KEY = "a-key-for-tests-0123456789"
STOP_SECONDS = 40.0
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Nothing of the caller's EMPQ_*; the reference matcher where the fast one is not built."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMPQ_")}
    own = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
    if importlib.util.find_spec("empq.matching._rust") is None:
        own["EMPQ_MATCHER"] = "python"
    return {**kept, **own, **variables}


class Program:
    """One process; all that it prints goes to its log, also over restarts."""

    def __init__(self, name: str, arguments: Iterable[str], folder: Path, **variables: str) -> None:
        self.name, self.arguments, self.folder = name, list(arguments), folder
        self.log = folder / f"{name}.log"
        self.environment = environment(folder, **variables)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, *self.arguments),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process, f"{self.name} was not started"
        return self._process

    @property
    def text(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def family(self) -> list[psutil.Process]:
        """The process and its descendants."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def kill(self) -> None:
        """kill -9."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Its exit status; waits for the end."""
        return self.process.wait(seconds)

    def stop(self) -> int:
        """SIGTERM, then its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.ended()

    def until_line(self, pattern: str) -> re.Match[str]:
        """Waits until its log has a match."""

        def seen() -> re.Match[str] | None:
            found = re.search(pattern, self.text)
            if not found and self._process and self._process.poll() is not None:
                raise AssertionError(f"{self.name} ended without {pattern!r}: {self.text}")
            return found

        return eventually(seen, f"{self.name} prints {pattern!r}")


class Hub(Program):
    """`empq hub` on a Redis, with a key."""

    def __init__(
        self, redis_url: str, folder: Path, *flags: str, name: str = "hub", **variables: str
    ) -> None:
        self.port = free_port()
        stated = ("--redis", redis_url, "--port", str(self.port))
        artifacts = ("--artifacts", f"file://{folder / 'artifacts'}")
        super().__init__(
            name,
            ("-m", "empq", "hub", *stated, *artifacts, *flags),
            folder,
            **{"EMPQ_ADMIN_KEY": KEY, **variables},
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = Http(self.port, KEY)

    def start(self) -> None:
        super().start()
        self.until_ready()

    def until_ready(self) -> None:
        """Waits until /readyz says 200."""

        def is_ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended: {self.text}")
            return answers(lambda: self.http("GET", "/readyz").status == 200)

        eventually(is_ready, f"{self.name} is ready")

    def socket(self, path: str, **options: Any) -> Socket:
        return Socket(self.port, path, KEY, **options)


class Worker(Program):
    """`empq worker` with the simulation connector alone, under a service of its own."""

    def __init__(
        self, hub: Hub, worker_id: str, folder: Path, service: str, slots: int = 1, *flags: str
    ) -> None:
        self.id, self._hub = worker_id, hub
        file = folder / f"{worker_id}.toml"
        file.write_text(
            f'[worker]\nid = "{worker_id}"\nslots = {slots}\n'
            f'[[connector]]\nkind = "simulation"\nservice = "{service}"\nslots = {slots}\n'
        )
        super().__init__(
            worker_id,
            ("-m", "empq", "worker", str(file), "--hub", hub.url, *flags),
            folder,
            EMPQ_TOKEN=KEY,
        )

    def until_online(self) -> None:
        """Waits until the hub shows it idle or busy."""

        def is_online() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended: {self.text}")
            answer = self._hub.http("GET", f"/api/workers/{self.id}")
            return answer.status == 200 and answer.json["status"] in ("idle", "busy")

        eventually(lambda: answers(is_online), f"{self.name} is online")


def answers(probe: Callable[[], bool]) -> bool:
    """The probe's value; False where nobody answers."""
    try:
        return probe()
    except OSError:
        return False


def have_ended(processes: Iterable[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)
