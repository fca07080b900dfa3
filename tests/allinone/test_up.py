"""`empq up` as a user meets it: starts, is found, survives kill -9, ends without leaving anything."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.allinone.running_up import eventually, free_port, up

pytestmark = pytest.mark.timeout(180)


def family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def all_ended(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


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
        assert running.process.poll() is None


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
