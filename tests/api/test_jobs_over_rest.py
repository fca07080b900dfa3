"""The life of a job as a REST client sees it, on a real hub."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.scene import Scene

SUBMITTED = {"id", "status", "position", "estimated_start", "created_at"}
LISTED_WITHOUT = {"payload", "result"}


def test_a_submitted_job_is_there_whole(scene: Scene) -> None:
    answer = scene.http(
        "POST", "/api/jobs", scene.body(payload={"a": 1}, metadata={"note": "écran 🎨"}, priority=7)
    )
    job = scene.job(answer.json["id"])

    assert answer.status == 201
    assert set(answer.json) == SUBMITTED
    assert (answer.json["status"], answer.json["position"]) == ("queued", 1)
    assert job["payload"] == {"a": 1}
    assert job["metadata"] == {"note": "écran 🎨"}
    assert (job["priority"], job["customer_id"], job["type"]) == (7, scene.customer, scene.type)
    assert (job["attempt"], job["attempts"], job["worker_id"]) == (0, [], None)
    assert (job["result"], job["error"], job["progress"]) == (None, None, None)
    assert (job["max_retries"], job["timeout_seconds"]) == (3, 1800)
    assert job["created_at"] == job["queued_at"] == answer.json["created_at"]
    assert job["created_at"].endswith("Z") and len(job["created_at"]) == 24


def test_fields_narrow_the_job(scene: Scene) -> None:
    job_id = scene.submit(payload=[1])

    assert scene.http.get(f"/api/jobs/{job_id}?fields=status,payload") == {
        "status": "queued",
        "payload": [1],
    }
    refused = scene.http("GET", f"/api/jobs/{job_id}?fields=status,colour")
    assert (refused.status, refused.pointers) == (422, ["/fields"])


def test_a_batch_keeps_its_order_and_may_depend_on_its_own_items(scene: Scene) -> None:
    worker = scene.worker()
    ids = scene.batch(
        scene.body(payload=1, ref="first"),
        scene.body(payload=2),
        scene.body(payload=3, depends_on=["#first"]),
    )

    assert scene.job(ids[2])["status"] == "pending"
    assert scene.job(ids[2])["depends_on"] == [ids[0]]
    worker.finish(ids[0])
    worker.finish(ids[1])
    worker.finish(ids[2])
    assert scene.job(ids[2])["status"] == "completed"


def test_one_invalid_item_refuses_the_whole_batch(scene: Scene) -> None:
    good, bad = scene.body(), scene.body(priority=101)
    for wrong, code, pointer in (
        (bad, "invalid_field", "/jobs/2/priority"),
        (scene.body(colour=1), "unknown_field", "/jobs/2/colour"),
        (scene.body(depends_on=["no-such-job"]), "unknown_dependency", "/jobs/2/depends_on/0"),
        (scene.body(depends_on=["#later"]), "invalid_field", "/jobs/2/depends_on/0"),
    ):
        answer = scene.http("POST", "/api/jobs/batch", {"jobs": [good, good, wrong, good]})
        assert (answer.status, answer.code) == (422, code)
        assert pointer in answer.pointers
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


def test_a_partial_batch_stores_what_is_valid(scene: Scene) -> None:
    items = [scene.body(), scene.body(priority=-1), scene.body(depends_on=["no-such-job"])]
    answer = scene.http(
        "POST", "/api/jobs/batch", {"jobs": [*items, scene.body()], "partial": True}
    )
    first, bad, orphan, last = answer.json["jobs"]

    assert answer.status == 201
    assert (first["status"], last["status"]) == ("queued", "queued")
    assert bad["error"]["code"] == "invalid_field"
    assert bad["error"]["errors"][0]["pointer"] == "/jobs/1/priority"
    assert orphan["error"]["code"] == "unknown_dependency"
    assert orphan["error"]["errors"][0]["pointer"] == "/jobs/2/depends_on/0"
    listed = scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]
    assert {job["id"] for job in listed} == {first["id"], last["id"]}


def test_an_empty_batch_is_an_empty_answer(scene: Scene) -> None:
    assert scene.http("POST", "/api/jobs/batch", {"jobs": []}).json == {"jobs": []}


def test_the_list_filters_and_leaves_payloads_out(scene: Scene) -> None:
    worker = scene.worker()
    done = scene.submit(workflow_id=scene.name)
    worker.finish(done, result=1)
    cancelled, queued = scene.batch(scene.body(), scene.body(type="other"))
    scene.cancel(cancelled)

    def ids(**filters: str) -> list[str]:
        query = "&".join(
            f"{name}={value}" for name, value in {"customer_id": scene.customer, **filters}.items()
        )
        return [job["id"] for job in scene.http.get(f"/api/jobs?{query}")["jobs"]]

    assert ids() == [queued, cancelled, done] or ids() == [cancelled, queued, done]
    assert ids(status="completed") == [done]
    assert ids(status="queued") == [queued]
    assert ids(status="cancelled", type=scene.type) == [cancelled]
    assert ids(type="other") == [queued]
    assert ids(worker_id=worker.id) == [done]
    assert ids(workflow_id=scene.name) == [done]
    [job] = scene.http.get(f"/api/jobs?workflow_id={scene.name}")["jobs"]
    assert LISTED_WITHOUT.isdisjoint(job)
    assert set(job) | LISTED_WITHOUT == set(scene.job(done))


def test_a_cancelled_job_stays_cancelled(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    held = worker.take(job_id)

    first = scene.http("POST", f"/api/jobs/{job_id}/cancel", {"reason": "not needed"})
    again = scene.http("POST", f"/api/jobs/{job_id}/cancel", {})

    assert (first.status, first.json["status"]) == (200, "cancelled")
    assert (again.status, again.json) == (200, first.json)
    assert first.json["attempts"][0]["outcome"] == "cancelled"
    beat = worker.heartbeat(held)
    assert [(one["job_id"], one["reason"]) for one in beat["cancel"]] == [(job_id, "not needed")]
    assert worker.say("complete", held, result="late").status == 200  # acked, dropped
    assert scene.job(job_id)["result"] is None
    assert scene.http("POST", "/api/jobs/no-such-job/cancel", {}).code == "not_found"
    done = scene.submit()
    worker.finish(done)
    assert scene.http("POST", f"/api/jobs/{done}/cancel", {}).code == "wrong_state"


def test_a_retry_is_a_new_job_of_the_same_bytes(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(payload={"seed": 1}, max_retries=0, metadata={"a": "b"}, priority=90)
    too_early = scene.http("POST", f"/api/jobs/{job_id}/retry")
    worker.does("fail", worker.take(job_id), error="boom")

    answer = scene.http("POST", f"/api/jobs/{job_id}/retry")
    new, old = scene.job(answer.json["id"]), scene.job(job_id)

    assert (too_early.status, too_early.code) == (409, "wrong_state")
    assert (answer.status, new["status"], new["retry_of"]) == (201, "queued", job_id)
    kept = ("payload", "type", "priority", "customer_id", "requirements", "max_retries", "metadata")
    assert {name: new[name] for name in kept} == {name: old[name] for name in kept}
    assert (old["status"], old["error"]["code"]) == ("failed", "job_failed")
    assert new["attempt"] == 0
    worker.finish(new["id"])
    assert scene.http("POST", f"/api/jobs/{new['id']}/retry").code == "wrong_state"


def test_a_changed_priority_changes_the_order(scene: Scene) -> None:
    worker = scene.worker()
    first, second = scene.batch(scene.body(), scene.body())

    changed = scene.http("PATCH", f"/api/jobs/{second}", {"priority": 51})

    assert (changed.status, changed.json["priority"], changed.json["position"]) == (200, 51, 1)
    assert scene.job(first)["position"] == 2
    worker.finish(second)
    worker.finish(first)
    assert scene.http("PATCH", f"/api/jobs/{first}", {"priority": 1}).code == "wrong_state"
    refused = scene.http("PATCH", f"/api/jobs/{first}", {"priority": 1.5})
    assert (refused.status, refused.pointers) == (422, ["/priority"])


def test_only_ended_jobs_are_deleted(scene: Scene) -> None:
    job_id = scene.submit()
    assert scene.http("DELETE", f"/api/jobs/{job_id}").code == "wrong_state"
    scene.cancel(job_id)

    assert scene.http("DELETE", f"/api/jobs/{job_id}").status == 204

    assert scene.http("GET", f"/api/jobs/{job_id}").code == "not_found"
    assert scene.http("DELETE", f"/api/jobs/{job_id}").code == "not_found"
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


def test_wait_answers_at_the_end_or_when_its_time_is_over(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()

    at_once = scene.http.get(f"/api/jobs/{job_id}/wait?timeout_seconds=0")
    waiting = scene.http.begin("GET", f"/api/jobs/{job_id}/wait?timeout_seconds=50")
    worker.finish(job_id, result="done")

    assert at_once["status"] == "queued"
    assert waiting.answer().json["result"] == "done"
    assert scene.http("GET", f"/api/jobs/{job_id}/wait?timeout_seconds=-1").status == 422


def test_a_repeated_key_answers_the_first_body(scene: Scene) -> None:
    header = {"Idempotency-Key": scene.name}
    body = scene.raw_body(b'{"a": 1}')

    first = scene.http("POST", "/api/jobs", body, header)
    again = scene.http("POST", "/api/jobs", body, header)
    other = scene.http("POST", "/api/jobs", scene.raw_body(b'{"a":  1}'), header)
    elsewhere = scene.http("POST", "/api/jobs/batch", b'{"jobs":[%b]}' % body, header)

    assert (first.status, "idempotent-replayed" in first.headers) == (201, False)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.raw == first.raw
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert (elsewhere.status, "idempotent-replayed" in elsewhere.headers) == (201, False)
    assert len(scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]) == 2


def test_a_repeated_batch_and_retry_are_one(scene: Scene) -> None:
    header = {"Idempotency-Key": scene.name}
    body = {"jobs": [scene.body(), scene.body()]}
    batches = [scene.http("POST", "/api/jobs/batch", body, header) for _ in range(3)]
    job_id = batches[0].json["jobs"][0]["id"]
    scene.cancel(job_id)
    retries = [scene.http("POST", f"/api/jobs/{job_id}/retry", None, header) for _ in range(3)]

    assert {answer.raw for answer in batches} == {batches[0].raw}
    assert {answer.raw for answer in retries} == {retries[0].raw}
    assert len(scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]) == 3


def test_the_same_key_at_once_makes_one_job(scene: Scene) -> None:
    header = {"Idempotency-Key": scene.name}
    body = scene.raw_body(b"1")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: scene.http("POST", "/api/jobs", body, header), range(16)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]) == 1


def test_a_workflow_is_read_and_cancelled_as_one(scene: Scene) -> None:
    worker = scene.worker()
    flow, customer = scene.name, f"customer_id={scene.customer}"
    running, queued = scene.batch(scene.body(workflow_id=flow), scene.body(workflow_id=flow))
    waiting = scene.submit(workflow_id=flow, depends_on=[running])
    held = worker.take(running)
    listener = scene.client()
    listener.ask(
        "subscribe_job_notifications",
        "job_notifications_subscribed",
        filters={"workflow_id": flow, "customer_id": scene.customer},
    )

    before = scene.http.get(f"/api/workflows/{flow}?{customer}")
    after = scene.http("POST", f"/api/workflows/{flow}/cancel?{customer}", {}).json
    worker.does("release", held)

    assert before["jobs"] == {"assigned": 1, "queued": 1, "pending": 1}
    assert before["ended_at"] is None
    assert (after["workflow_id"], after["jobs"]) == (flow, {"cancelled": 3})
    assert after["ended_at"]
    assert listener.expect("workflow_completed")["workflow_id"] == flow
    assert {scene.job(job_id)["status"] for job_id in (running, queued, waiting)} == {"cancelled"}
    assert scene.http("GET", f"/api/workflows/{flow}").code == "not_found"  # another customer's


@pytest.mark.parametrize("call", ["cancel", "retry"])
def test_bulk_calls_act_on_the_filter_alone(scene: Scene, call: str) -> None:
    ids = scene.batch(*(scene.body() for _ in range(5)), scene.body(type="other"))
    if call == "retry":
        for job_id in ids:
            scene.cancel(job_id)
    filters = {"customer_id": scene.customer, "type": scene.type}

    dry = scene.http("POST", f"/api/jobs/{call}", {"filter": filters, "dry_run": True}).json
    stored = len(scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"])
    done = scene.http("POST", f"/api/jobs/{call}", {"filter": filters}).json

    assert dry == {"count": 5, "ids": dry["ids"]}
    assert sorted(dry["ids"]) == sorted(ids[:5]) == sorted(done["ids"])
    assert stored == 6
    listed = scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]
    if call == "retry":
        assert sorted(job["retry_of"] for job in listed if job["retry_of"]) == sorted(ids[:5])
    else:
        assert [job["id"] for job in listed if job["status"] == "queued"] == [ids[5]]
    refused = scene.http("POST", f"/api/jobs/{call}", {"filter": {"statos": "queued"}})
    assert (refused.status, refused.pointers) == (422, ["/filter/statos"])
