"""Orders and other settings that live with the data: obeyed by claims, taken over by running hubs, kept over restarts."""

from __future__ import annotations

from typing import Any

import redis

from tests.support.live import MakesHub
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene
from tests.support.waiting import eventually


def claimed(scene: Scene, slots: int, **capabilities: Any) -> list[str]:
    """Claims one job after the other, ends each; the ids in their order."""
    worker = scene.worker(slots, **capabilities)
    ids: list[str] = []
    for _ in range(slots):
        job = worker.take()
        worker.does("complete", job)
        ids.append(job["job_id"])
    return ids


def test_score_gives_a_worker_what_suits_it_best(make_hub: MakesHub) -> None:
    scene = Scene(make_hub(EMPQ_ORDER="score"))
    loose = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 2}}
    )
    tight = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 20}}
    )
    urgent = scene.submit(priority=51)
    assert claimed(scene, 3, hardware={"gpu_memory_gb": 24}) == [urgent, tight, loose]


def test_fair_share_follows_weights_whoever_floods(make_hub: MakesHub) -> None:
    hub = make_hub(EMPQ_ORDER="fair")
    scene = Scene(hub)
    hub.http("PUT", "/api/customers/heavy", {"weight": 2})
    flood = scene.batch(*(scene.body(customer_id="flood") for _ in range(20)))
    heavy = scene.batch(*(scene.body(customer_id="heavy") for _ in range(20)))
    worker = scene.worker(9)
    order = [worker.take()["job_id"] for _ in range(9)]  # none ends: each is charged alike
    assert (sum(job in flood for job in order), sum(job in heavy for job in order)) == (3, 6)


def test_with_ageing_a_wait_makes_up_for_priority(
    make_hub: MakesHub, own_redis: RedisServer
) -> None:
    hub = make_hub(EMPQ_AGEING_INTERVAL_MS="1")
    scene = Scene(hub)
    old = scene.submit(priority=0)
    with redis.Redis(unix_socket_path=str(own_redis.socket)) as link:
        begun = link.time()
        eventually(
            lambda: link.time()[0] > begun[0] + 1 or link.time() > (begun[0], begun[1] + 5000),
            "5 ms have passed",
        )
    young = scene.submit(priority=2)
    urgent = scene.submit(priority=100)
    order = claimed(scene, 3)
    assert order.index(old) < order.index(young)
    assert set(order) == {old, young, urgent}


def test_a_changed_order_reaches_hubs_that_run_and_outlives_them(make_hub: MakesHub) -> None:
    first = make_hub()
    second = make_hub("--order", "score", "--change-settings", name="second")
    scene = Scene(first)
    loose = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 2}}
    )
    tight = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 20}}
    )
    assert claimed(scene, 2, hardware={"gpu_memory_gb": 24}) == [tight, loose]
    first.stop()
    second.stop()
    first.start()
    scene = Scene(first)
    loose = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 2}}
    )
    tight = scene.submit(
        requirements={"service_type": scene.service, "hardware": {"gpu_memory_gb": 20}}
    )
    assert claimed(scene, 2, hardware={"gpu_memory_gb": 24}) == [tight, loose]


def test_pauses_and_quotas_hold_at_every_hub_and_after_a_restart(make_hub: MakesHub) -> None:
    first, second = make_hub(), make_hub(name="second")
    scene = Scene(first)
    paused = first.http("POST", "/api/pauses", {"scope": "service", "name": scene.service})
    first.http("PUT", f"/api/customers/{scene.customer}", {"max_active": 0})
    job_id = Scene(second).http("POST", "/api/jobs", scene.body()).json["id"]

    def rules() -> set[str]:
        told = second.http.get(f"/api/jobs/{job_id}/explain")
        return {it["rule"] for worker in told["workers"] for it in worker["rejections"]}

    worker = scene.worker()
    eventually(lambda: rules() == {"paused", "customer_quota"}, "the second hub knows both")
    assert worker.claim(wait_ms=0) == []
    first.stop()
    second.stop()
    second.start()
    eventually(lambda: rules() == {"paused", "customer_quota"}, "they are read at a start")
    assert second.http("DELETE", f"/api/pauses/{paused.json['id']}").status == 204
    second.http("PUT", f"/api/customers/{scene.customer}", {})
    again = Scene(second)
    worker.http = again.http
    worker.take(job_id)
