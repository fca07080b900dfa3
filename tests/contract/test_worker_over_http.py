"""examples/worker_http.py, written against the contract alone over plain HTTP, runs real jobs on a real hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import KEY, ROOT, Program
from tests.support.scene import Scene
from tests.support.waiting import eventually

EXAMPLE = ROOT / "examples" / "worker_http.py"
NEEDS = {"service_type": "shouting"}


@pytest.fixture
def worker(scene: Scene, programs: list[Program], tmp_path: Path) -> Program:
    program = Program(
        "worker", (str(EXAMPLE), scene.hub.url, f"{scene.name}-http"), tmp_path, EMPQ_TOKEN=KEY
    )
    programs.append(program)
    program.start()
    return program


def test_it_needs_no_empq_and_fits_on_a_page() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) <= 60
    assert not [line for line in lines if line.startswith(("import empq", "from empq"))]


def test_it_runs_jobs_and_fails_those_that_it_cannot(scene: Scene, worker: Program) -> None:
    texts = ["hello", "grüß Gott", ""]
    ids = [scene.submit(type="shout", payload={"text": text}, requirements=NEEDS) for text in texts]
    wrong = scene.submit(type="shout", payload={"word": 1}, requirements=NEEDS)

    ended = [scene.ended(job_id) for job_id in ids]
    failed = scene.ended(wrong)

    assert [job["status"] for job in ended] == ["completed"] * 3
    assert [job["result"] for job in ended] == [{"text": text.upper()} for text in texts]
    assert [job["progress"] for job in ended] == [50] * 3
    assert (failed["status"], failed["attempt"]) == ("failed", 1)
    assert failed["error"]["message"] == "payload.text must be a string"
    assert worker.process.poll() is None, worker.text


def test_it_outlives_the_cancel_of_its_job(scene: Scene, worker: Program) -> None:
    victims = [
        scene.submit(type="shout", payload={"text": "x" * 1000}, requirements=NEEDS)
        for _ in range(20)
    ]
    for victim in victims:
        scene.http("POST", f"/api/jobs/{victim}/cancel", {})
    last = scene.submit(type="shout", payload={"text": "on"}, requirements=NEEDS)

    assert scene.ended(last)["result"] == {"text": "ON"}
    assert {scene.ended(victim)["status"] for victim in victims} <= {"completed", "cancelled"}


def test_killed_and_started_again_it_takes_its_place(scene: Scene, worker: Program) -> None:
    eventually(
        lambda: scene.http("GET", f"/api/workers/{scene.name}-http").status == 200, "registered"
    )
    worker.kill()
    worker.start()

    job_id = scene.submit(type="shout", payload={"text": "again"}, requirements=NEEDS)

    assert scene.ended(job_id)["result"] == {"text": "AGAIN"}
