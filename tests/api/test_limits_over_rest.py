"""Pauses, quotas, drains and changes of workers and priorities, through a real hub: the next match obeys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_calls import Answer
from tests.support.scene import Scene
from tests.support.waiting import eventually

SCOPES = ("service", "type", "customer", "worker")


def waits(scene: Scene, job_id: str, *rules: str) -> None:
    """The job is queued, and these rules keep every worker from it."""
    told = scene.http.get(f"/api/jobs/{job_id}/explain")
    assert told["verdict"] == "busy", told
    for worker in told["workers"]:
        if worker["worker_id"].startswith(scene.name):
            assert [it["rule"] for it in worker["rejections"]] == list(rules)


def pause(scene: Scene, scope: str, name: str) -> Any:
    answer = scene.http("POST", "/api/pauses", {"scope": scope, "name": name, "reason": "why not"})
    assert answer.status == 201, answer
    assert (answer.json["scope"], answer.json["reason"]) == (scope, "why not")
    return answer.json


@pytest.mark.parametrize("scope", SCOPES)
def test_a_pause_stops_a_claim_that_waits_already_and_its_end_wakes_it(
    scene: Scene, scope: str
) -> None:
    worker = scene.worker()
    names = {"service": scene.service, "type": scene.type, "customer": scene.customer}
    claim = worker.begin_claim()
    made = pause(scene, scope, names.get(scope, worker.id))
    job_id = scene.submit()
    waits(scene, job_id, "paused")
    listed = scene.http.get("/api/pauses")["pauses"]
    assert made in listed
    assert scene.job(job_id)["status"] == "queued"

    assert scene.http("DELETE", f"/api/pauses/{made['id']}").status == 204
    assert [job["job_id"] for job in claim.answer().json["jobs"]] == [job_id]
    assert scene.http("DELETE", f"/api/pauses/{made['id']}").status == 404


def test_a_queue_is_paused_and_resumed_by_its_short_forms(scene: Scene) -> None:
    worker, job_id = scene.worker(), scene.submit()
    assert scene.http("POST", f"/api/queues/{scene.service}/pause", {}).status == 201
    assert scene.http("POST", f"/api/queues/{scene.service}/pause", {}).status == 201
    waits(scene, job_id, "paused")
    assert worker.claim(wait_ms=0) == []
    ended = scene.http("POST", f"/api/queues/{scene.service}/resume", {})
    assert ended.status == 200
    worker.finish(job_id)
    depths = {row["service"]: row for row in scene.http.get("/api/queues")["queues"]}
    assert depths[scene.service] == {
        "service": scene.service,
        "queued": 0,
        "oldest_wait_seconds": None,
    }


def test_what_runs_goes_on_under_a_pause(scene: Scene) -> None:
    worker, job_id = scene.worker(), scene.submit()
    job = worker.take(job_id)
    made = pause(scene, "worker", worker.id)
    worker.does("complete", job, result=1)
    assert scene.ended(job_id)["status"] == "completed"
    scene.http("DELETE", f"/api/pauses/{made['id']}")


def quota(scene: Scene, **settings: Any) -> Any:
    answer = scene.http("PUT", f"/api/customers/{scene.customer}", settings)
    assert answer.status == 200, answer
    return answer.json


def test_max_active_holds_back_and_an_end_lets_the_next_through(scene: Scene) -> None:
    worker = scene.worker(slots=3)
    told = quota(scene, max_active=1, weight=3)
    assert (told["max_active"], told["weight"], told["max_queued"]) == (1, 3, None)
    first, second = scene.submit(), scene.submit()
    (job,) = worker.claim(max_jobs=3)
    assert job["job_id"] == first
    waits(scene, second, "customer_quota")
    told = scene.http.get(f"/api/jobs/{second}/explain")["workers"]
    (row,) = [it for it in told if it["worker_id"] == worker.id]
    quoted = {"active": 1, "max_active": 1}
    assert row["rejections"] == [{"rule": "customer_quota", "required": quoted, "offered": quoted}]
    claim = worker.begin_claim()
    worker.does("complete", job)
    assert [it["job_id"] for it in claim.answer().json["jobs"]] == [second]
    view = scene.http.get(f"/api/customers/{scene.customer}")
    assert (view["active"], view["waiting"]) == (1, 0)
    assert scene.customer in [
        row["customer_id"] for row in scene.http.get("/api/customers")["customers"]
    ]


def test_max_queued_refuses_by_429_and_stores_nothing(scene: Scene) -> None:
    quota(scene, max_queued=2)
    scene.submit()
    refused: list[Answer] = [
        scene.http("POST", "/api/jobs/batch", {"jobs": [scene.body(), scene.body()]}),
    ]
    scene.submit()
    refused.append(scene.http("POST", "/api/jobs", scene.body()))
    for answer in refused:
        assert (answer.status, answer.code) == (429, "quota_exceeded"), answer
        assert int(answer.headers["retry-after"]) >= 1
    assert scene.http.get(f"/api/customers/{scene.customer}")["waiting"] == 2
    partial = scene.http("POST", "/api/jobs/batch", {"jobs": [scene.body()], "partial": True})
    assert partial.json["jobs"][0]["error"]["code"] == "quota_exceeded"
    quota(scene)
    scene.submit()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"weight": 0}, "/weight"),
        ({"max_active": -1}, "/max_active"),
        ({"max_queued": 1.5}, "/max_queued"),
        ({"colour": 1}, "/colour"),
    ],
)
def test_a_wrong_customer_setting_is_named(
    scene: Scene, body: dict[str, Any], pointer: str
) -> None:
    answer = scene.http("PUT", f"/api/customers/{scene.customer}", body)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body", [{"scope": "planet", "name": "x"}, {"scope": "type"}, {"name": "x"}]
)
def test_a_wrong_pause_is_named(scene: Scene, body: dict[str, Any]) -> None:
    answer = scene.http("POST", "/api/pauses", body)
    assert (answer.status, answer.code) == (422, "invalid_field")


def test_a_drained_worker_takes_nothing_until_it_is_resumed(scene: Scene) -> None:
    worker, job_id = scene.worker(), scene.submit()
    assert scene.http("POST", f"/api/workers/{worker.id}/drain", {}).status == 200
    assert worker.claim(wait_ms=0) == []
    waits(scene, job_id, "draining")
    claim = worker.begin_claim()
    assert scene.http("POST", f"/api/workers/{worker.id}/resume", {}).status == 200
    assert [it["job_id"] for it in claim.answer().json["jobs"]] == [job_id]


def test_a_service_that_is_unwell_takes_nothing_until_a_heartbeat_says_it_is_well(
    scene: Scene,
) -> None:
    worker, job_id = scene.worker(), scene.submit()

    def beat(status: str) -> None:
        said = {"current_jobs": [], "connector_status": {scene.service: {"status": status}}}
        assert scene.http("POST", f"/api/workers/{worker.id}/heartbeat", said).status == 200

    beat("unhealthy")
    eventually(
        lambda: not scene.http.get(f"/api/jobs/{job_id}/explain")["eligible"], "it counts as unwell"
    )
    waits(scene, job_id, "service_health")
    assert worker.claim(wait_ms=0) == []
    claim = worker.begin_claim()
    beat("healthy")
    assert [it["job_id"] for it in claim.answer().json["jobs"]] == [job_id]


def test_a_patch_of_capabilities_changes_the_next_match(scene: Scene) -> None:
    worker = scene.worker(hardware={"gpu_memory_gb": 8})
    needs = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 16}}
    job_id = scene.submit(requirements=needs)
    assert scene.http.get(f"/api/jobs/{job_id}/explain")["verdict"] == "never"
    claim = worker.begin_claim()
    changes = {"capability_changes": {"hardware": {"gpu_memory_gb": 24}}}
    assert scene.http("PATCH", f"/api/workers/{worker.id}", changes).status == 200
    assert [it["job_id"] for it in claim.answer().json["jobs"]] == [job_id]


def test_models_in_memory_count_from_the_heartbeat_on(scene: Scene) -> None:
    worker = scene.worker(services=[{"name": scene.service, "models": ["m"]}])
    needs = {"requirements": {"service_type": scene.service, "models": ["m"]}}

    def score() -> int:
        (row,) = [
            it
            for it in scene.http("POST", "/api/match", needs).json["workers"]
            if it["worker_id"] == worker.id
        ]
        return row["dimensions"]["service"]

    assert score() == 5000
    loaded = {"services": [{"name": scene.service, "models": ["m"], "loaded": ["m"]}]}
    scene.http("PATCH", f"/api/workers/{worker.id}", {"capability_changes": loaded})
    assert score() == 8000


def test_a_change_of_priority_reorders(scene: Scene) -> None:
    first, second = scene.submit(), scene.submit()
    assert scene.http("PATCH", f"/api/jobs/{second}", {"priority": 90}).status == 200
    worker = scene.worker(slots=2)
    assert [job["job_id"] for job in worker.claim(max_jobs=2)] == [second, first]


def test_each_pick_of_a_claim_counts_for_the_next(scene: Scene) -> None:
    strict = {"service_type": scene.service, "customer_isolation": "strict"}
    worker = scene.worker(slots=4, customer_access={"isolation": "strict"})
    mine = scene.submit(requirements=strict, priority=60)
    other = scene.submit(customer_id=f"{scene.customer}-2")
    also = scene.submit(priority=40)
    given = worker.claim(max_jobs=4)
    assert [job["job_id"] for job in given] == [mine, also]
    waits(scene, other, "isolation_held")
    for job in given:
        worker.does("complete", job)
    worker.take(other)


def test_a_worker_is_explained(scene: Scene) -> None:
    worker = scene.worker(hardware={"gpu_memory_gb": 8})
    for _ in range(3):
        scene.submit()
    big = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 80}}
    scene.submit(requirements=big)
    told = scene.http.get(f"/api/workers/{worker.id}/explain")
    own = [row for row in told["shapes"] if row["customer_id"] == scene.customer]
    assert [(row["count"], row["eligible"]) for row in own] == [(3, True), (1, False)]
    assert own[1]["rejections"] == [
        {"rule": "hardware.gpu_memory_gb", "required": 80, "offered": 8}
    ]
    assert f"{worker.id} can take 3 now" in told["summary"]
    assert scene.http("GET", f"/api/workers/{scene.name}-nobody/explain").status == 404


def test_unmet_demand_is_told_until_a_worker_comes(scene: Scene) -> None:
    big = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 64}}
    scene.worker(hardware={"gpu_memory_gb": 8})
    scene.submit(requirements=big)
    scene.submit(requirements=big)

    def unmet() -> list[Any]:
        shapes = scene.http.get("/api/stats")["unmet_demand"]["shapes"]
        return [it for it in shapes if it["requirements"].get("service_type") == scene.service]

    (told,) = eventually(unmet, "the demand is unmet")
    assert told["count"] == 2
    assert told["customers"] == [{"customer_id": scene.customer, "count": 2}]
    assert told["oldest_wait_seconds"] >= 0
    assert "64 GB of GPU memory" in told["reason"]
    assert told["nearest_miss"]["change"]["to"] == 8
    scene.worker(hardware={"gpu_memory_gb": 80})
    eventually(lambda: not unmet(), "somebody could take it now")


@pytest.mark.parametrize(
    ("requirements", "status", "pointer"),
    [
        (
            {"constraints": [{"key": "k", "op": "exists"}] * 10_000},
            413,
            "/requirements/constraints",
        ),
        ({"service_type": "s", "models": ["m" * 100] * 10_001}, 413, "/requirements/models"),
        (
            {"prefer": [{"key": "k", "op": "exists", "weight": 0}]},
            422,
            "/requirements/prefer/0/weight",
        ),
    ],
)
def test_what_would_cost_too_much_is_refused_by_name(
    scene: Scene, requirements: dict[str, Any], status: int, pointer: str
) -> None:
    for path, body in (
        ("/api/jobs", scene.body(requirements=requirements)),
        ("/api/match", {"requirements": requirements}),
    ):
        answer = scene.http("POST", path, body)
        assert answer.status == status, answer
        assert answer.json["errors"][0]["pointer"] == pointer


def test_an_impossible_capability_is_refused_at_registration(scene: Scene) -> None:
    body = {
        "worker_id": f"{scene.name}-x",
        "capabilities": {"services": [], "performance": {"concurrent_jobs": 0}},
    }
    answer = scene.http("POST", "/api/workers", body)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/capabilities/performance/concurrent_jobs"
    assert scene.http("GET", f"/api/workers/{scene.name}-x").status == 404


def test_a_name_with_a_slash_is_addressed(scene: Scene) -> None:
    path = f"/api/customers/{scene.customer}%2Fa%20b"
    assert scene.http("PUT", path, {"weight": 7}).status == 200
    assert scene.http.get(path)["customer_id"] == f"{scene.customer}/a b"
    assert scene.http.get(path)["weight"] == 7
    assert scene.http("PUT", "/api/customers/%2F%00", {}).status == 422
    assert scene.http("GET", "/api/jobs/%2F..%2F").status in (404, 422)
