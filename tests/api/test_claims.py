"""Claims over REST: order, zero values, waits, repeats, and callers that hang up."""

from __future__ import annotations

import itertools

import pytest

from tests.support.scene import Scene


def test_priority_first_then_first_come(scene: Scene) -> None:
    worker = scene.worker()
    priorities = [10, 90, 50, 90, 100, 50, 0, 90, 10, 50]
    ids = scene.batch(*(scene.body(priority=priority) for priority in priorities))
    wanted = [ids[i] for i in sorted(range(10), key=lambda i: (-priorities[i], i))]

    assert [scene.job(job_id)["position"] for job_id in wanted] == list(range(1, 11))
    for job_id in wanted:
        worker.finish(job_id)


def test_a_job_that_comes_back_keeps_its_priority_and_place(scene: Scene) -> None:
    """Field report R14."""
    worker = scene.worker()
    a = scene.submit(priority=80, retry_delays_seconds=[0.1], retry_elsewhere=False)
    worker.does("fail", worker.take(a), error="boom")
    g = scene.submit(priority=90, delay_seconds=0.1)
    others = scene.batch(*(scene.body(priority=50) for _ in range(5)))
    scene.becomes(a, "queued")
    scene.becomes(g, "queued")

    order = [g, a, *others]

    assert [scene.job(job_id)["position"] for job_id in order] == [1, 2, 3, 4, 5, 6, 7]
    for job_id in order:
        worker.finish(job_id)


def test_zero_is_a_value(scene: Scene) -> None:
    """Field report R19."""
    worker = scene.worker()
    usual, least = scene.batch(scene.body(), scene.body(priority=0))
    once = scene.submit(max_retries=0, priority=100)
    held = worker.take(once)
    assert worker.does("fail", held, error="x") == {
        "job_id": once,
        "retry_scheduled": False,
        "retry_delay_ms": 0,
    }
    assert (scene.job(once)["status"], scene.job(once)["attempt"]) == ("failed", 1)

    twice = scene.submit(
        max_retries=1, retry_delays_seconds=[0], retry_elsewhere=False, priority=99
    )
    answer = worker.does("fail", worker.take(twice), error="x")
    assert (answer["retry_scheduled"], answer["retry_delay_ms"]) == (True, 0)
    scene.becomes(twice, "queued")
    held = worker.take(twice)
    worker.does("progress", held, progress=0)
    assert scene.job(twice)["progress"] == 0
    worker.does("complete", held, result=0)
    assert scene.job(twice)["result"] == 0

    at_once = scene.http("POST", "/api/jobs", scene.body(delay_seconds=0, priority=98))
    assert at_once.json["status"] == "queued"
    worker.finish(at_once.json["id"])
    worker.finish(usual)
    worker.finish(least)
    assert worker.claim(wait_ms=0) == []


def test_a_waiting_claim_gets_the_job_as_soon_as_it_is_there(scene: Scene) -> None:
    worker = scene.worker(slots=3)
    waiting = worker.begin_claim(max_jobs=3)

    ids = scene.batch(scene.body(), scene.body())

    given = waiting.answer().json["jobs"]
    given += worker.claim(max_jobs=3) if len(given) < 2 else []
    assert [job["job_id"] for job in given] == ids


def test_a_waiting_claim_gets_a_job_that_becomes_due(scene: Scene) -> None:
    worker = scene.worker()
    waiting = worker.begin_claim()
    job_id = scene.submit(delay_seconds=0.2)
    [given] = waiting.answer().json["jobs"]
    assert given["job_id"] == job_id


def test_a_waiting_claim_gets_a_job_when_a_slot_is_free_again(scene: Scene) -> None:
    worker = scene.worker()
    first, second = scene.batch(scene.body(), scene.body())
    held = worker.take(first)
    waiting = worker.begin_claim()

    worker.does("complete", held)

    assert [job["job_id"] for job in waiting.answer().json["jobs"]] == [second]


def test_the_same_claim_id_gives_the_same_jobs(scene: Scene) -> None:
    worker = scene.worker(slots=5)
    ids = scene.batch(*(scene.body() for _ in range(3)))

    first = worker.claim(max_jobs=2, claim_id="c1")
    again = worker.claim(max_jobs=2, claim_id="c1")
    worker.does("complete", first[0])
    rest = worker.claim(max_jobs=2, claim_id="c1")
    other = worker.claim(max_jobs=2, claim_id="c2")

    assert [job["job_id"] for job in first] == ids[:2]
    assert again == first
    assert rest == first[1:]
    assert [job["job_id"] for job in other] == ids[2:]


@pytest.mark.parametrize("when", ["before the submit", "after the submit"])
def test_a_claim_whose_caller_hung_up_takes_nothing_from_others(scene: Scene, when: str) -> None:
    """Field report R22; where the answer was on its way already, the same claim_id has it."""
    dead, alive = scene.worker(), scene.worker()
    for number in itertools.count():
        gone = dead.begin_claim(claim_id=f"c{number}")
        if when == "before the submit":
            scene.http.get(f"/api/workers/{dead.id}")
            gone.hang_up()
            job_id = scene.submit()
        else:
            job_id = scene.submit()
            gone.hang_up()
        if scene.becomes(job_id, "queued", "assigned")["worker_id"] == dead.id:
            [given] = dead.claim(claim_id=f"c{number}")
            assert (given["job_id"], given["attempt"]) == (job_id, 1)
            dead.does("complete", given)
        else:
            alive.finish(job_id)
        assert scene.job(job_id)["attempt"] == 1
        if number == 20:
            return


def test_of_two_waiting_workers_each_gets_one(scene: Scene) -> None:
    workers = [scene.worker(), scene.worker()]
    waiting = [worker.begin_claim() for worker in workers]
    ids = scene.batch(scene.body(), scene.body())
    given = [one.answer().json["jobs"] for one in waiting]
    assert sorted(job["job_id"] for jobs in given for job in jobs) == sorted(ids)
    assert [len(jobs) for jobs in given] == [1, 1]


def test_a_drained_worker_takes_nothing_until_it_is_resumed(scene: Scene) -> None:
    worker = scene.worker()
    waiting = worker.begin_claim()
    drained = scene.http("POST", f"/api/workers/{worker.id}/drain", {}).json
    job_id = scene.submit()
    explained = scene.http.get(f"/api/jobs/{job_id}/explain")

    assert (drained["status"], drained["drained"]) == ("draining", True)
    assert worker.claim(wait_ms=50) == []
    assert explained["verdict"] == "busy"
    assert worker.heartbeat()["drain"] is True
    scene.http("POST", f"/api/workers/{worker.id}/resume", {})
    given = waiting.answer().json["jobs"] or worker.claim()
    assert [job["job_id"] for job in given] == [job_id]


def test_a_removed_worker_gives_back_at_once(scene: Scene) -> None:
    worker, other = scene.worker(), scene.worker()
    job_id = scene.submit()
    held = worker.take(job_id)

    assert scene.http("DELETE", f"/api/workers/{worker.id}").status == 204

    assert scene.http("GET", f"/api/workers/{worker.id}").json.get("status") in (None, "offline")
    assert worker.say("complete", held).code == "stale_attempt"
    given = other.take(job_id)
    assert given["attempt"] == 2
    other.does("complete", given)
    outcomes = [one["outcome"] for one in scene.job(job_id)["attempts"]]
    assert outcomes == ["released", "completed"]


def test_a_stale_attempt_is_told_so(scene: Scene) -> None:
    one, two = scene.worker(), scene.worker()
    job_id = scene.submit()
    first = one.take(job_id)
    one.does("release", first, reason="test")
    second = two.take(job_id)

    for verb, fields in (
        ("accept", {}),
        ("progress", {"progress": 5}),
        ("complete", {"result": 1}),
        ("fail", {"error": "x"}),
        ("release", {}),
    ):
        stale = one.say(verb, first, **fields)
        assert (stale.status, stale.code) == (409, "stale_attempt")
        wrong_lease = two.say(verb, {**second, "lease": first["lease"]}, **fields)
        assert (wrong_lease.status, wrong_lease.code) == (409, "stale_attempt")

    done = two.does("complete", second, result="right")
    assert two.does("complete", second, result="right") == done
    assert scene.job(job_id)["result"] == "right"
