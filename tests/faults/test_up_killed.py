"""`empq up` killed with work in hand starts again at once, with every job once (field report R50)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_calls import Http
from tests.support.processes import Program, free_port, have_ended
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)

JOBS, ROUNDS = 100, 3


class Up(Program):
    """`empq up` on one folder and port."""

    def __init__(self, folder: Path, data: Path, port: int, workers: int) -> None:
        arguments = ("--data", str(data), "--port", str(port), "--workers", str(workers))
        super().__init__(
            f"up-{workers}", ("-m", "empq", "up", *arguments), folder, EMPQ_LEASE_SECONDS="2"
        )
        self.port = port

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        super().start()
        self.until_line("empq submit simulation")

    @property
    def http(self) -> Http:
        found = re.search(r"admin key +(\S+)", self.text)
        assert found
        return Http(self.port, found[1])


def test_killed_again_and_again_it_keeps_a_hundred_jobs(
    tmp_path: Path, programs: list[Program]
) -> None:
    data, port = tmp_path / "data", free_port()
    up = Up(tmp_path, data, port, workers=0)
    programs.append(up)
    up.start()
    body = {
        "type": "simulation",
        "payload": {"steps": 1, "step_ms": 1},
        "requirements": {"service_type": "simulation"},
    }
    answer = up.http("POST", "/api/jobs/batch", {"jobs": [body] * JOBS})
    ids = sorted(job["id"] for job in answer.json["jobs"])
    seen = []
    for _ in range(ROUNDS):
        seen += up.family()
        up.kill()
        up.start()
        listed = up.http.get("/api/jobs?limit=1000")["jobs"]
        assert sorted(job["id"] for job in listed) == ids
        assert {job["status"] for job in listed} == {"queued"}

    second = subprocess.run(
        (sys.executable, *up.arguments),
        env=up.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert len((second.stdout + second.stderr).strip().splitlines()) == 1
    assert str(data) in second.stdout + second.stderr

    seen += up.family()
    up.kill()
    with_workers = Up(tmp_path, data, port, workers=2)
    programs.append(with_workers)
    with_workers.start()
    seen += with_workers.family()
    for job_id in ids:
        job = with_workers.http.get(f"/api/jobs/{job_id}/wait?timeout_seconds=60")
        assert (job["status"], job["attempt"]) == ("completed", 1)
    assert with_workers.stop() == 0
    eventually(lambda: have_ended(seen), "no process is left")


def test_a_taken_port_is_named_and_nothing_is_left(tmp_path: Path, programs: list[Program]) -> None:
    data, port = tmp_path / "data", free_port()
    first = Up(tmp_path, data, port, workers=0)
    programs.append(first)
    first.start()

    other = Up(tmp_path, tmp_path / "other", port, workers=0)
    ran = subprocess.run(
        (sys.executable, *other.arguments),
        env=other.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 2
    [line] = (ran.stdout + ran.stderr).strip().splitlines()
    assert str(port) in line and "--port" in line
    assert first.http.get("/api/jobs")["jobs"] == []
    processes = first.family()
    assert first.stop() == 0
    eventually(lambda: have_ended(processes), "no process is left")
