"""The examples run as their first lines say, against a hub started by `empq up`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.allinone.running_up import Up, eventually, free_port, up

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def worker(running: Up, example: str, hub: str) -> Iterator[None]:
    key = running.line_with("admin key").split()[2]
    process = subprocess.Popen(
        (sys.executable, str(EXAMPLES / example), hub, "example"),
        env={**running.environment, "EMPQ_TOKEN": key},
    )
    try:
        eventually(lambda: process.poll() is None and has_worker(running))
        yield
    finally:
        process.kill()
        process.wait()


def has_worker(running: Up) -> bool:
    return "example" in str(running.json("workers"))


def run(running: Up, *arguments: str) -> Any:
    return running.json("submit", *arguments, "--wait")


def test_submit_and_wait(environment: dict[str, str]) -> None:
    port = free_port()
    with up(environment, "--port", port) as running:
        running.await_line("empq submit simulation")
        key = running.line_with("admin key").split()[2]

        ran = subprocess.run(
            (sys.executable, str(EXAMPLES / "submit_and_wait.py")),
            env={**environment, "EMPQ_HUB": f"http://127.0.0.1:{port}", "EMPQ_ADMIN_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert ran.stderr == ""
        assert ran.stdout == "{'steps': 5, 'simulated': True}\n"


@pytest.mark.parametrize(
    ("example", "scheme", "job", "result"),
    [
        (
            "worker_http.py",
            "http",
            ("shout", "-p", "text=hello", "--needs", '{"service_type": "shouting"}'),
            {"text": "HELLO"},
        ),
        (
            "worker_websocket.py",
            "ws",
            ("count", "-p", "to=3", "--needs", '{"service_type": "counting"}'),
            {"counted": 3},
        ),
    ],
)
def test_a_worker_from_the_contract_alone(
    environment: dict[str, str],
    example: str,
    scheme: str,
    job: tuple[str, ...],
    result: dict[str, Any],
) -> None:
    port = free_port()
    with up(environment, "--workers", "0", "--port", port) as running:
        running.await_line("empq submit simulation")
        with worker(running, example, f"{scheme}://127.0.0.1:{port}"):
            for _ in range(2):
                done = run(running, *job)
                assert (done["status"], done["result"]) == ("completed", result)
            failed = running.empq("submit", job[0], *job[3:], "--wait")

    assert failed.returncode == 1
    assert "job_failed: payload." in failed.stdout
