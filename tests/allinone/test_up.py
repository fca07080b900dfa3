"""`empq up` as a user meets it: starts, is found, survives kill -9, ends without leaving anything."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.timeout(180)


class Up:
    """One `empq up` process and what it printed."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self.process = process
        self.environment = environment
        self.lines: list[str] = []

    def await_line(self, pattern: str) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"it ended without {pattern!r}: {''.join(self.lines)}")

    def empq(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "empq", *arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        answered = self.empq(*arguments, "--json")
        assert answered.returncode == 0, answered.stderr
        return json.loads(answered.stdout)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EMPQ_") or name == "EMPQ_MATCHER"
    }
    home = {"XDG_DATA_HOME": str(tmp_path / "share"), "HOME": str(tmp_path)}
    return {**kept, **home, "EMPQ_LEASE_SECONDS": "2"}


@contextmanager
def up(environment: dict[str, str], *arguments: str) -> Iterator[Up]:
    process = subprocess.Popen(
        (sys.executable, "-m", "empq", "up", *arguments),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    started = Up(process, environment)
    try:
        yield started
    finally:
        if process.poll() is None:
            process.terminate()
        assert process.stdout
        started.lines += process.stdout.readlines()
        process.stdout.close()
        process.wait(60)


def family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def all_ended(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_new_user_starts_it_submits_and_stops_it(environment: dict[str, str]) -> None:
    with up(environment, "--port", free_port()) as running:
        running.await_line("empq submit simulation")
        processes = family(running.process.pid)

        watched = running.empq(
            "submit", "simulation", "-p", "steps=3", "-p", "step_ms=1", "--watch"
        )
        assert watched.returncode == 0, watched.stderr
        assert "completed by sim-" in watched.stdout
        fleet = running.json("workers")["workers"]
        assert sorted(worker["worker_id"] for worker in fleet) == ["sim-1", "sim-2"]
        key = (Path(environment["XDG_DATA_HOME"]) / "empq" / "admin.key").stat()
        assert key.st_mode & 0o777 == 0o600

        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert all_ended(processes)


def test_no_auth_asks_for_no_key(environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    arguments = ("--no-auth", "--workers", "0", "--data", str(tmp_path / "d"), "--port", port)
    with up(environment, *arguments) as running:
        running.await_line("empq submit simulation")

        assert running.json("jobs", "--hub", f"127.0.0.1:{port}")["jobs"] == []


def test_after_kill_9_the_next_start_has_every_job_once(environment: dict[str, str]) -> None:
    arguments = ("--workers", "0", "--port", free_port())
    with up(environment, *arguments) as running:
        running.await_line("empq submit simulation")
        ids = {running.json("submit", "later")["id"] for _ in range(5)}
        first = family(running.process.pid)
        running.process.kill()
    for _ in range(3):
        with up(environment, *arguments) as running:
            running.await_line("empq submit simulation")
            assert "an earlier run had left behind" in "".join(running.lines)
            listed = [job["id"] for job in running.json("jobs")["jobs"]]
            assert sorted(listed) == sorted(ids)
            running.process.kill()
    with up(environment, *arguments) as running:
        running.await_line("empq submit simulation")
        last = family(running.process.pid)
    assert running.process.returncode == 0
    eventually(lambda: all_ended([*first, *last]))


def test_children_end_with_a_killed_parent(environment: dict[str, str]) -> None:
    with up(environment, "--port", free_port()) as running:
        running.await_line("empq submit simulation")
        children = [
            process
            for process in family(running.process.pid)[1:]
            if "valkey" not in process.name() and "redis" not in process.name()
        ]
        assert len(children) >= 3
        running.process.kill()

        eventually(lambda: all_ended(children))
    with up(environment, "--port", free_port()) as running:
        running.await_line("empq submit simulation")


def test_a_second_up_on_the_folder_is_refused_and_harms_nothing(
    environment: dict[str, str],
) -> None:
    with up(environment, "--workers", "0", "--port", free_port()) as first:
        first.await_line("empq submit simulation")
        with up(environment, "--port", free_port()) as second:
            assert second.process.wait(60) == 2
        assert len(second.lines) == 1
        assert "in use by another `empq up`" in second.lines[0]
        assert first.json("jobs")["jobs"] == []


def test_a_hub_that_is_killed_is_started_again(environment: dict[str, str]) -> None:
    with up(environment, "--workers", "0", "--port", free_port()) as running:
        running.await_line("empq submit simulation")
        hub = next(one for one in family(running.process.pid) if "hub" in one.cmdline())
        hub.kill()

        running.await_line("hub ended unexpectedly")
        eventually(lambda: running.empq("jobs").returncode == 0)


def test_a_second_signal_hurries(environment: dict[str, str]) -> None:
    with up(environment, "--port", free_port()) as running:
        running.await_line("empq submit simulation")
        running.empq("submit", "simulation", "-p", "steps=1000", "-p", "step_ms=1000")
        processes = family(running.process.pid)
        running.process.send_signal(signal.SIGINT)
        running.await_line("stopping the workers")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert all_ended(processes)
