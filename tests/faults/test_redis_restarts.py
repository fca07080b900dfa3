"""Redis is killed and comes back under a running hub: clear answers meanwhile, everything as before afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.live import LEASE_SECONDS, MakesHub
from tests.support.processes import Program, Worker
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene
from tests.support.waiting import eventually, outlast

pytestmark = pytest.mark.timeout(180)


def test_calls_are_unavailable_meanwhile_and_no_attempt_is_lost(
    make_hub: MakesHub, own_redis: RedisServer, programs: list[Program], tmp_path: Path
) -> None:
    hub = make_hub()
    scene = Scene(hub)
    worker = Worker(hub, "w", tmp_path, scene.service)
    programs.append(worker)
    worker.start()
    worker.until_online()
    running = scene.submit(payload={"steps": 80, "step_ms": 100})
    queued = scene.submit(payload={"steps": 1, "step_ms": 1})
    scene.becomes(running, "in_progress")
    client = scene.client()
    client.ask(
        "subscribe_job_notifications",
        "job_notifications_subscribed",
        filters={"customer_id": scene.customer},
    )

    own_redis.kill()
    eventually(lambda: hub.http("GET", "/readyz").status == 503, "/readyz says 503")
    for method, path, body in (
        ("GET", "/api/jobs", None),
        ("GET", f"/api/jobs/{running}", None),
        ("POST", "/api/jobs", scene.body()),
        ("POST", "/api/jobs/batch", {"jobs": [scene.body()]}),
        ("POST", f"/api/jobs/{running}/cancel", {}),
        ("POST", "/api/workers", {"worker_id": "x", "capabilities": {"services": []}}),
        ("GET", "/api/workers", None),
        ("GET", "/api/stats", None),
    ):
        answer = hub.http(method, path, body)
        assert (answer.status, answer.code) == (503, "unavailable"), (path, answer)
        assert int(answer.headers["retry-after"]) >= 1
    ready = hub.http("GET", "/readyz")
    assert (ready.json["redis"], "retry-after" in ready.headers) == (False, True)
    assert hub.http("GET", "/livez").status == 200
    assert client.ask("submit_job", "error", job_type="x", payload=1)["error_code"] == "unavailable"
    outlast(1.5 * LEASE_SECONDS)
    own_redis.start()
    hub.until_ready()

    late = scene.submit(payload={"steps": 1, "step_ms": 1})
    ended = [scene.ended(job_id) for job_id in (running, queued, late)]
    assert [(job["status"], job["attempt"]) for job in ended] == [("completed", 1)] * 3
    for job_id in (running, queued, late):
        client.expect("job_completed", job_id=job_id)
    listed = scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]
    assert {job["id"] for job in listed} == {running, queued, late}
    assert "Traceback" not in hub.text


def test_a_claim_that_waited_over_the_restart_still_gets_a_job(
    make_hub: MakesHub, own_redis: RedisServer
) -> None:
    hub = make_hub(EMPQ_LEASE_SECONDS="60")
    scene = Scene(hub)
    socket = scene.worker_socket()
    claim = socket.send("claim_job", wait_ms=60_000)
    over_http = scene.worker().begin_claim(60_000)
    for _ in range(3):  # a few round trips later both wait
        scene.http.get("/api/workers")

    own_redis.kill()
    eventually(lambda: hub.http("GET", "/readyz").status == 503, "/readyz says 503")
    own_redis.start()
    hub.until_ready()
    ids = scene.batch(scene.body(), scene.body())

    given = {socket.expect("job_assigned", reply_to=claim)["assignment"]["job_id"]}
    answer = over_http.answer()
    assert answer.status == 200, answer
    given |= {job["job_id"] for job in answer.json["jobs"]}
    assert given == set(ids)
    scene.close()
