"""Input that is well formed and mean: refused as a whole, answered at once, harmless to others."""

from __future__ import annotations

from typing import Any

from tests.support.scene import Scene


def jobs_of(scene: Scene) -> int:
    page = scene.http.get(f"/api/jobs?limit=1000&customer_id={scene.customer}")
    return len(page["jobs"])


def test_an_attempt_beyond_64_bits_is_refused(scene: Scene) -> None:
    for attempt in (2**53 + 1, 2**64, 10**40):
        token = {"worker_id": "w", "attempt": attempt}
        for verb in ("accept", "progress", "complete", "release"):
            answer = scene.http("POST", f"/api/jobs/none/{verb}", token)
            assert (answer.status, answer.pointers) == (422, ["/attempt"])


def test_a_deadline_that_cannot_be_written_again_is_refused(scene: Scene) -> None:
    for name in ("deadline", "run_at"):
        late = scene.body(**{name: "9999-12-31T23:59:59-23:59"})
        answer = scene.http("POST", "/api/jobs", late)
        assert (answer.status, answer.pointers) == (422, [f"/{name}"])
    for past in ("1970-01-01T00:00:00Z", "1960-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"):
        answer = scene.http("POST", "/api/jobs", scene.body(deadline=past))
        assert (answer.status, answer.pointers) == (422, ["/deadline"])
        assert scene.job(scene.submit(run_at=past))["status"] == "queued"
    assert jobs_of(scene) == 3


def test_a_drain_without_end_is_refused(scene: Scene) -> None:
    worker = scene.worker()
    answer = scene.http("POST", f"/api/workers/{worker.id}/drain", {"deadline_seconds": 1e300})
    assert (answer.status, answer.pointers) == (422, ["/deadline_seconds"])


def test_a_large_batch_with_a_past_deadline_is_refused_as_a_whole(scene: Scene) -> None:
    bodies = [scene.body() for _ in range(300)]
    bodies.append(scene.body(deadline="2020-01-01T00:00:00Z"))
    answer = scene.http("POST", "/api/jobs/batch", {"jobs": bodies})
    assert (answer.status, answer.pointers) == (422, ["/jobs/300/deadline"])
    assert jobs_of(scene) == 0


def test_thousands_of_dependencies_in_one_batch(scene: Scene) -> None:
    ids = scene.batch(*(scene.body(ref=str(number)) for number in range(5000)))
    waiting = [scene.body(depends_on=ids[at : at + 1000]) for at in range(0, 5000, 1000)]
    assert len(scene.batch(*waiting, *waiting)) == 10


def test_a_repeat_of_a_partly_refused_batch_gets_the_same_answer(scene: Scene) -> None:
    bodies = [
        scene.body(ref="a", depends_on=["none"]),
        scene.body(ref="b", depends_on=["#a"]),
        scene.body(),
    ]
    asked: Any = {"jobs": bodies, "partial": True}
    key = {"Idempotency-Key": scene.name}
    first, again = (scene.http("POST", "/api/jobs/batch", asked, key) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json == first.json
    assert jobs_of(scene) == 1


def test_a_job_id_that_is_a_path_is_refused_on_sockets(scene: Scene) -> None:
    worker, client = scene.worker_socket(), scene.client()
    for job_id in ("../../etc", "a\0b", "", "x" * 41):
        for kind in ("complete_job", "release_job"):
            refused = worker.ask(kind, "error", job_id=job_id, attempt=1)
            assert refused["error_code"] == "invalid_field"
        refused = client.ask("request_job_status", "error", job_id=job_id)
        assert refused["error_code"] == "invalid_field"


def test_a_worker_may_register_again_on_its_own_socket(scene: Scene) -> None:
    socket = scene.worker_socket()
    capabilities = {"services": [{"name": scene.service, "models": "all"}]}
    for _ in range(20):
        again = {"worker_id": f"{scene.name}-again", "capabilities": capabilities, "protocol": 1}
        socket.ask("register_worker", "worker_registered", **again)
        socket.ask("worker_heartbeat", "worker_heartbeat_ack", current_jobs=[])
