"""Two hubs on one Redis are one queue: what happens at one is known at the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live import MakesHub
from tests.support.scene import HandWorker, Scene

Pair = tuple[Scene, Scene]


@pytest.fixture
def pair(make_hub: MakesHub) -> Iterator[Pair]:
    """The same scene as seen from each of two hubs."""
    here = Scene(make_hub(name="hub-a", EMPQ_LEASE_SECONDS="60"))
    there = Scene(make_hub(name="hub-b", EMPQ_LEASE_SECONDS="60"))
    there.name, there.customer = here.name, here.customer
    there.service, there.type = here.service, here.type
    yield here, there
    here.close()
    there.close()


def test_submitted_here_run_there_and_told_at_both(pair: Pair) -> None:
    here, there = pair
    worker = there.worker_socket()
    claim = worker.send("claim_job")
    clients = [here.client(), there.client()]
    for client in clients:
        client.ask(
            "subscribe_job_notifications",
            "job_notifications_subscribed",
            filters={"customer_id": here.customer},
        )

    job_id = here.submit(payload={"a": []})
    token = worker.expect("job_assigned", reply_to=claim)["assignment"]
    fence = {name: token[name] for name in ("job_id", "attempt", "lease")}
    waiting = here.http.begin("GET", f"/api/jobs/{job_id}/wait?timeout_seconds=50")
    worker.send("update_job_progress", **fence, progress=50)
    for client in clients:
        client.expect("job_update", progress=50)
    worker.ask("complete_job", "job_completed_ack", **fence, result={"b": {}})

    assert waiting.answer().json["result"] == {"b": {}}
    for client in clients:
        told = [client.expect(kind) for kind in ("job_queued", "job_assigned", "job_started")]
        told.append(client.expect("job_completed"))
        assert [event["event_id"] for event in told] == sorted(
            {event["event_id"] for event in told}
        )
    for scene in pair:
        with scene.http.events(job_id, "00000001") as stream:
            assert [event["event"] for event in stream] == [
                "job_assigned",
                "job_started",
                "job_completed",
            ]


def test_a_cancel_here_reaches_the_worker_there(pair: Pair) -> None:
    here, there = pair
    worker = there.worker_socket()
    job_id = here.submit()
    worker.ask("claim_job", "job_assigned")

    here.cancel(job_id)

    assert worker.expect("cancel_job")["job_id"] == job_id


def test_a_worker_may_change_hubs_between_calls(pair: Pair) -> None:
    here, there = pair
    worker = here.worker()
    elsewhere = HandWorker(there.http, worker.id, worker.capabilities)
    job_id = there.submit()

    held = worker.take(job_id)
    assert elsewhere.heartbeat(held) == worker.heartbeat(held)
    elsewhere.does("accept", held)
    worker.does("progress", held, progress=1)
    elsewhere.does("complete", held)
    second = here.submit()
    elsewhere.finish(second)

    assert here.job(job_id)["status"] == there.job(second)["status"] == "completed"


def test_replaced_at_one_hub_is_closed_at_the_other(pair: Pair) -> None:
    here, there = pair
    body = {
        "worker_id": here.name,
        "capabilities": {"services": [{"name": here.service, "models": "all"}]},
        "protocol": 1,
    }
    with here.hub.socket("/ws/worker") as older, there.hub.socket("/ws/worker") as newer:
        older.ask("register_worker", "worker_registered", **body)
        newer.ask("register_worker", "worker_registered", **body)
        assert older.closed_with() == 4009


def test_when_one_is_killed_the_other_goes_on(pair: Pair) -> None:
    here, there = pair
    worker = there.worker()
    jobs = here.batch(*(here.body() for _ in range(5)))
    listed = there.http.get(f"/api/jobs?customer_id={here.customer}")["jobs"]

    here.hub.kill()

    assert {job["id"] for job in listed} == set(jobs)
    for job_id in jobs:
        worker.finish(job_id)
    late = there.submit()
    worker.finish(late)
    here.hub.start()
    assert here.job(late)["status"] == "completed"
    new = here.submit()
    worker.finish(new)


def test_the_list_and_the_order_are_the_same_at_both(pair: Pair) -> None:
    here, there = pair
    ids = [scene.submit(priority=50) for scene in (here, there) * 10]
    worker = here.worker(slots=20)

    given = [job["job_id"] for job in worker.claim(max_jobs=20)]

    assert given == ids
    query = f"/api/jobs?customer_id={here.customer}&limit=100"
    assert here.http.get(query) == there.http.get(query)
