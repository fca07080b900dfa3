"""kill -9 of a hub in the middle of the work: what was answered is there, every job ends, attempts are counted right."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.faults.hub_kills import kill_hubs
from tests.support.live import LEASE_SECONDS, MakesHub
from tests.support.processes import Hub, Program, Worker
from tests.support.scene import Scene
from tests.support.waiting import eventually, outlast

pytestmark = pytest.mark.timeout(180)

JOBS, WORKERS, SLOTS = 60, 3, 2


def completed(scene: Scene) -> int:
    query = f"status=completed&type={scene.type}&limit=1000"
    return len(scene.http.get(f"/api/jobs?{query}")["jobs"])


def check_attempts(job: Any) -> None:
    """Dense numbers, each attempt with its outcome, the last one the job's."""
    assert [one["attempt"] for one in job["attempts"]] == list(range(1, job["attempt"] + 1))
    assert all(one["outcome"] and one["ended_at"] for one in job["attempts"])
    assert job["attempts"][-1]["outcome"] == "completed", job["attempts"]


def test_a_queue_of_sixty_ends_though_the_hub_is_killed(
    make_hub: MakesHub, programs: list[Program], tmp_path: Path
) -> None:
    hub = make_hub()
    scene = Scene(hub)
    for number in range(WORKERS):
        worker = Worker(hub, f"w{number}", tmp_path, scene.service, SLOTS)
        programs.append(worker)
        worker.start()
        worker.until_online()
    ids = scene.batch(
        *(
            scene.body(customer_id=f"c{number % 3}", payload={"steps": 6, "step_ms": 50})
            for number in range(JOBS)
        )
    )
    eventually(lambda: completed(scene) >= 10, "ten jobs are done")

    hub.kill()
    hub.start()

    jobs = [scene.ended(job_id) for job_id in ids]
    assert {job["status"] for job in jobs} == {"completed"}
    assert {str(job["result"]) for job in jobs} == {str({"steps": 6, "simulated": True})}
    for job in jobs:
        check_attempts(job)
    # An assignment may have been on its way to a slot when the hub died; what ran goes on.
    again = [job for job in jobs if job["attempt"] > 1]
    assert len(again) <= WORKERS * SLOTS
    assert max(job["attempt"] for job in jobs) <= 2
    assert completed(scene) == JOBS


def test_what_runs_outlives_a_hub_that_is_away_longer_than_the_lease(
    make_hub: MakesHub, programs: list[Program], tmp_path: Path
) -> None:
    hub = make_hub()
    scene = Scene(hub)
    worker = Worker(hub, "w", tmp_path, scene.service)
    programs.append(worker)
    worker.start()
    job_id = scene.submit(payload={"steps": 20, "step_ms": 100})
    scene.becomes(job_id, "in_progress")

    hub.kill()
    outlast(2 * LEASE_SECONDS)  # the run ends meanwhile
    hub.start()

    job = scene.ended(job_id)
    assert (job["status"], job["attempt"]) == ("completed", 1)
    check_attempts(job)


def test_what_was_answered_is_there_and_repeats_are_one(make_hub: MakesHub) -> None:
    hub = make_hub()
    scene = Scene(hub)
    answered: dict[str, str] = {}
    errors: list[BaseException] = []

    def submit(client: int) -> None:
        try:
            for number in range(100):
                key = f"{client}-{number}"
                answered[key] = _until_answered(hub, scene, key)
        except BaseException as error:
            errors.append(error)

    clients = [threading.Thread(target=submit, args=(client,)) for client in range(4)]
    for client in clients:
        client.start()
    eventually(lambda: len(answered) > 100, "a hundred are answered")
    hub.kill()
    hub.start()
    for client in clients:
        client.join()

    assert not errors
    listed = scene.http.get(f"/api/jobs?customer_id={scene.customer}&limit=1000")["jobs"]
    assert sorted(job["id"] for job in listed) == sorted(answered.values())
    assert len(set(answered.values())) == 400
    assert {job["status"] for job in listed} == {"queued"}


def test_waiting_claims_and_streams_go_on_at_the_next_hub(make_hub: MakesHub) -> None:
    hub = make_hub()
    scene = Scene(hub)
    worker = scene.worker()
    job_id = scene.submit()
    with scene.http.events(job_id) as stream:
        last = next(stream)["id"]
        held = worker.take(job_id)
        hub.kill()
    hub.start()

    worker.heartbeat(held)
    worker.does("progress", held, progress=50)
    worker.does("complete", held, result="after")
    with scene.http.events(job_id, last) as stream:
        names = [event["event"] for event in stream]

    assert names == ["job_assigned", "job_started", "job_completed"]
    assert scene.job(job_id)["attempt"] == 1


def _until_answered(hub: Hub, scene: Scene, key: str) -> str:
    def try_once() -> str | None:
        try:
            answer = hub.http(
                "POST", "/api/jobs", scene.body(metadata={"key": key}), {"Idempotency-Key": key}
            )
        except (OSError, EOFError, ConnectionError):
            return None
        except Exception as error:  # http.client's own for a connection that breaks off
            assert type(error).__module__ == "http.client", error
            return None
        if answer.status == 503:
            return None
        assert answer.status == 201, answer
        return answer.json["id"]

    return eventually(try_once, f"{key} is answered")


def test_no_job_runs_again_because_a_hub_died(tmp_path: Path) -> None:
    assert kill_hubs(tmp_path, 8)[1:] == (32, 0, 0)
