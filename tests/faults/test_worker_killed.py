"""A worker that dies or freezes: its job is elsewhere after the lease, and nothing that it says later counts twice."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import LEASE_SECONDS, MakesHub
from tests.support.processes import Program, Worker
from tests.support.scene import Scene
from tests.support.waiting import eventually

NOTICED_SECONDS = LEASE_SECONDS + 1.5
BUSY_MACHINE_SECONDS = 10
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def fleet(
    make_hub: MakesHub, programs: list[Program], tmp_path: Path
) -> tuple[Scene, dict[str, Worker]]:
    scene = Scene(make_hub())
    workers = {name: Worker(scene.hub, name, tmp_path, scene.service) for name in ("w1", "w2")}
    for worker in workers.values():
        programs.append(worker)
        worker.start()
    for worker in workers.values():
        worker.until_online()
    return scene, workers


def outcomes(job: Any) -> list[tuple[str, str]]:
    return [(one["worker_id"], one["outcome"]) for one in job["attempts"]]


def test_a_killed_worker_s_job_is_elsewhere_after_the_lease(
    fleet: tuple[Scene, dict[str, Worker]],
) -> None:
    scene, workers = fleet
    job_id = scene.submit(payload={"steps": 15, "step_ms": 100})
    victim = scene.becomes(job_id, "in_progress")["worker_id"]

    workers[victim].kill()

    seconds = NOTICED_SECONDS + BUSY_MACHINE_SECONDS
    eventually(lambda: scene.job(job_id)["attempt"] == 2, "it is assigned again", seconds)
    job = scene.ended(job_id)
    [other] = set(workers) - {victim}
    assert outcomes(job) == [(victim, "lost"), (other, "completed")]
    offline = scene.http("GET", f"/api/workers/{victim}")
    assert offline.status == 404 or offline.json["status"] == "offline"

    workers[victim].start()
    workers[victim].until_online()
    assert scene.ended(scene.submit(payload={"steps": 1}))["status"] == "completed"


def test_a_frozen_worker_s_late_report_does_not_count(
    fleet: tuple[Scene, dict[str, Worker]],
) -> None:
    scene, workers = fleet
    job_id = scene.submit(payload={"steps": 25, "step_ms": 100})
    victim = scene.becomes(job_id, "in_progress")["worker_id"]

    workers[victim].signal(signal.SIGSTOP)
    eventually(lambda: scene.job(job_id)["attempt"] == 2, "it is assigned again")
    workers[victim].signal(signal.SIGCONT)

    job = scene.ended(job_id)
    [other] = set(workers) - {victim}
    assert outcomes(job) == [(victim, "lost"), (other, "completed")]
    workers[victim].until_online()


def test_a_frozen_worker_that_is_alone_finishes_its_job_once(
    fleet: tuple[Scene, dict[str, Worker]],
) -> None:
    scene, workers = fleet
    workers.pop("w2").stop()
    job_id = scene.submit(payload={"steps": 15, "step_ms": 100})
    scene.becomes(job_id, "in_progress")

    workers["w1"].signal(signal.SIGSTOP)
    lost = scene.becomes(job_id, "queued")
    workers["w1"].signal(signal.SIGCONT)

    assert outcomes(lost) == [("w1", "lost")]
    job = scene.ended(job_id)
    assert job["status"] == "completed"
    assert job["attempt"] <= 2
    assert job["attempts"][-1]["outcome"] == "completed"


def test_a_stopped_worker_gives_back_without_an_attempt(
    fleet: tuple[Scene, dict[str, Worker]], programs: list[Program], tmp_path: Path
) -> None:
    scene, workers = fleet
    job_id = scene.submit(payload={"steps": 5, "step_ms": 100})
    victim = scene.becomes(job_id, "in_progress")["worker_id"]

    assert workers[victim].stop() == 0

    job = scene.ended(job_id)
    assert outcomes(job) == [(victim, "completed")]
    assert job["attempt"] == 1
