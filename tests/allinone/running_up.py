"""An `empq up` of a test's own: its output, its commands, its end."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


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

    def line_with(self, text: str) -> str:
        return next(line for line in self.lines if text in line)

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


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
