"""Events as clients get them: in order, resumable, over server-sent events and over sockets."""

from __future__ import annotations

from typing import Any

from tests.support.scene import HandWorker, Scene

LIFE = ["job_queued", "job_assigned", "job_started", "job_completed"]


def run_once(worker: HandWorker, job_id: str) -> None:
    held = worker.take(job_id)
    worker.does("accept", held)
    worker.does("progress", held, progress=0, message="begun")
    worker.does("progress", held, progress=60.5, current_step="3/5")
    worker.does("complete", held, result={"n": 1})


def ids_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_a_stream_tells_the_state_then_every_event_and_ends(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()

    with scene.http.events(job_id) as stream:
        first = next(stream)
        run_once(worker, job_id)
        events = [first, *stream]

    logged = [event for event in events if event["event"] != "job_update"]
    assert [event["event"] for event in logged] == LIFE
    assert ids_of(logged) == sorted(set(ids_of(logged)))
    assert [event["data"]["status"] for event in logged] == [
        "queued",
        "assigned",
        "in_progress",
        "completed",
    ]
    assert {event["data"]["job_id"] for event in events} == {job_id}
    updates = [event for event in events if event["event"] == "job_update"]
    assert all(event["id"] in ids_of(logged) for event in updates)
    assert events.index(logged[3]) == len(events) - 1


def test_a_stream_resumes_after_the_last_event_id(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    with scene.http.events(job_id) as stream:
        first = next(stream)
    run_once(worker, job_id)

    with scene.http.events(job_id, first["id"]) as stream:
        rest = list(stream)
    with scene.http.events(job_id, rest[0]["id"]) as stream:
        later = list(stream)
    with scene.http.events(job_id, rest[-1]["id"]) as stream:
        nothing = list(stream)
    with scene.http.events(job_id) as stream:
        only_the_end = list(stream)

    assert [event["event"] for event in rest] == LIFE[1:]
    assert later == rest[1:]
    assert nothing == []
    assert [event["event"] for event in only_the_end] == ["job_completed"]


def test_a_cursor_that_is_not_kept_gets_events_gone_and_the_state(scene: Scene) -> None:
    job_id = scene.submit()
    for cursor in ("ffffffff", "made up"):
        with scene.http.events(job_id, cursor) as stream:
            assert next(stream)["event"] == "events_gone"
            assert next(stream)["event"] == "job_queued"
    client = scene.client()
    client.ask("subscribe_job", "job_notifications_subscribed", job_id=job_id, since="ffffffff")
    assert client.expect("error")["error_code"] == "events_gone"
    client.expect("job_queued")


def test_a_retried_attempt_is_told_in_order_and_kept(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit(retry_delays_seconds=[0], retry_elsewhere=False)

    with scene.http.events(job_id) as stream:
        events = [next(stream)]
        worker.does("fail", worker.take(job_id), error="boom")
        scene.becomes(job_id, "queued")
        run_once(worker, job_id)
        events += [event for event in stream if event["event"] != "job_update"]
    with scene.http.events(job_id, events[0]["id"]) as stream:
        replayed = list(stream)

    names = [event["event"] for event in events]
    assert names == ["job_queued", "job_assigned", "job_retrying", *LIFE[1:]]
    assert ids_of(events) == sorted(set(ids_of(events)))
    assert replayed == events[1:]
    assert [event["data"]["attempt"] for event in events if event["event"] == "job_assigned"] == [
        1,
        2,
    ]


def test_a_client_that_subscribes_to_a_job_sees_its_life(scene: Scene) -> None:
    worker, client = scene.worker(), scene.client()
    job_id = client.ask(
        "submit_job", "job_accepted", job_type=scene.type, **_without_type(scene.body())
    )["job_id"]
    told = client.ask("subscribe_job", "job_notifications_subscribed", job_id=job_id)
    own = {"subscription": told["subscription"], "job_id": job_id}

    client.expect("job_queued", **own)
    held = worker.take(job_id)
    client.expect("job_assigned", **own, worker_id=worker.id, attempt=1)
    worker.does("progress", held, progress=0)
    client.expect("job_started", **own)
    client.expect("job_update", **own, progress=0)
    worker.does("progress", held, progress=40, message="half", current_step="2")
    client.expect("job_update", **own, progress=40, message="half", current_step="2")
    worker.does("complete", held)
    last = client.expect("job_completed", **own)

    assert client.unread == []
    client.ask(
        "subscribe_job", "job_notifications_subscribed", job_id=job_id, since=last["event_id"]
    )
    client.ask("ping", "pong")
    assert client.unread == []
    since = client.ask(
        "subscribe_job", "job_notifications_subscribed", job_id=job_id, since="00000001"
    )
    again = {"subscription": since["subscription"]}
    for name in LIFE[1:]:
        client.expect(name, **again)


def test_filters_let_through_what_was_asked_for(scene: Scene) -> None:
    worker, client = scene.worker(), scene.client()
    mine = {"customer_id": scene.customer}
    wanted = {
        name: client.ask(
            "subscribe_job_notifications", "job_notifications_subscribed", filters=mine | filters
        )["subscription"]
        for name, filters in {
            "all": {},
            "types": {"job_types": ["rare", "rarer"]},
            "ends": {"status": ["completed", "failed"]},
            "urgent": {"priority_min": 80},
            "flow": {"workflow_id": "flow-1"},
        }.items()
    }
    plain, rare, urgent, flow = scene.batch(
        scene.body(),
        scene.body(type="rare"),
        scene.body(priority=80),
        scene.body(workflow_id="flow-1"),
    )
    Scene(scene.hub).submit()  # another customer's
    ids = {plain, rare, urgent, flow}
    for _ in ids:
        worker.does("complete", worker.take())
    for job_id in ids:
        client.expect("job_completed", subscription=wanted["all"], job_id=job_id)
    client.ask("ping", "pong")

    def told(name: str) -> set[tuple[str, str]]:
        return {
            (event["job_id"], event["type"])
            for event in client.unread
            if event["subscription"] == wanted[name] and event["type"] != "workflow_completed"
        }

    life = ("job_queued", "job_assigned", "job_completed")
    assert told("all") == {(job_id, kind) for job_id in ids for kind in life[:2]}
    assert told("types") == {(rare, kind) for kind in life}
    assert told("ends") == {(job_id, "job_completed") for job_id in ids}
    assert told("urgent") == {(urgent, kind) for kind in life}
    assert told("flow") == {(flow, kind) for kind in life}


def test_an_unsubscribed_client_hears_nothing(scene: Scene) -> None:
    client = scene.client()
    told = client.ask(
        "subscribe_job_notifications",
        "job_notifications_subscribed",
        filters={"customer_id": scene.customer},
    )
    client.ask("unsubscribe", "ack", subscription=told["subscription"])

    scene.cancel(scene.submit())

    client.ask("ping", "pong")
    assert client.unread == []
    refused = client.ask("unsubscribe", "error", subscription=told["subscription"])
    assert refused["error_code"] == "not_found"


def test_events_of_a_missing_job_are_404(scene: Scene) -> None:
    assert scene.http("GET", "/api/jobs/no-such-job/events").status == 404
    assert scene.client().ask("subscribe_job", "error", job_id="none")["error_code"] == "not_found"


def _without_type(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "type"}
