"""What a worker's and a client's socket take and answer: batches, malformed messages, closes."""

from __future__ import annotations

import json

import pytest

from tests.support.scene import Scene


@pytest.mark.parametrize("path", ["/ws/client", "/ws/worker"])
def test_a_malformed_message_costs_an_error_not_the_connection(scene: Scene, path: str) -> None:
    socket = scene.client() if path == "/ws/client" else scene.worker_socket()
    for text, code in (
        ("{", "bad_json"),
        ("", "bad_json"),
        ("5", "invalid_field"),
        ("null", "invalid_field"),
        ('{"id":1}', "invalid_field"),
        ('{"type":5}', "invalid_field"),
        ('{"type":"fly"}', "invalid_field"),
        ('{"type":"update_job_progress","job_id":5}', "invalid_field"),
        ('{"type":"submit_job","colour":1}', None),
        ("[" * 50 + "]" * 50, None),
    ):
        socket.send_text(text)
        error = socket.expect("error")
        assert error["error_code"] == code or code is None
        assert error["error"]
    unknown = "unknown_type" if path == "/ws/worker" else "ping"
    socket.send(unknown)
    socket.expect("error" if path == "/ws/worker" else "pong")


def test_a_binary_frame_is_no_end(scene: Scene) -> None:
    client = scene.client()
    client.connection.send(b'{"type":"ping","id":77}')
    answered = client.frame()
    assert answered["type"] in ("pong", "error")
    client.ask("ping", "pong")


def test_an_error_names_the_field_and_the_request(scene: Scene) -> None:
    client = scene.client()
    error = client.ask("submit_job", "error", job_type="x", payload=1, priority=101)
    assert error["error_code"] == "invalid_field"
    assert [detail["pointer"] for detail in error["details"]] == ["/priority"]
    unknown = client.ask("submit_job", "error", job_type="x", payload=1, prio=1)
    assert (unknown["error_code"], unknown["details"][0]["pointer"]) == ("unknown_field", "/prio")
    assert client.ask("request_job_status", "error", job_id="none")["error_code"] == "not_found"
    assert client.ask("cancel_job", "error", job_id="none")["error_code"] == "not_found"


def test_a_batch_in_one_frame_is_answered_by_one_array_in_order(scene: Scene) -> None:
    client = scene.client()
    body = {name: value for name, value in scene.body().items() if name != "type"}
    client.send_text(
        json.dumps(
            [
                {"type": "ping", "id": "a"},
                {"type": "submit_job", "id": "b", "job_type": scene.type, **body},
                {"type": "nonsense", "id": "c"},
                {"type": "submit_job", "id": "d", "job_type": scene.type, **body},
            ]
        )
    )
    replies = client.frame()

    assert [(reply["type"], reply["reply_to"]) for reply in replies] == [
        ("pong", "a"),
        ("job_accepted", "b"),
        ("error", "c"),
        ("job_accepted", "d"),
    ]
    worker = scene.worker()
    worker.finish(replies[1]["job_id"])
    worker.finish(replies[3]["job_id"])


def test_submit_job_is_idempotent_by_its_key(scene: Scene) -> None:
    client = scene.client()
    body = {name: value for name, value in scene.body().items() if name != "type"}
    body |= {"job_type": scene.type, "idempotency_key": scene.name}

    answers = [client.ask("submit_job", "job_accepted", **body) for _ in range(3)]
    other = client.ask("submit_job", "error", **(body | {"priority": 1}))

    assert len({answer["job_id"] for answer in answers}) == 1
    assert other["error_code"] == "idempotency_mismatch"


def test_a_client_cancels_and_reads_a_job(scene: Scene) -> None:
    client, job_id = scene.client(), scene.submit(payload={"a": [1]})

    cancelled = client.ask("cancel_job", "job_cancelled", job_id=job_id, reason="no")
    status = client.ask("request_job_status", "response_job_status", job_id=job_id)

    assert (cancelled["job_id"], status["status"]) == (job_id, "cancelled")
    assert status["job"] == scene.job(job_id)


def test_a_worker_takes_several_and_ends_them_in_one_frame(scene: Scene) -> None:
    worker = scene.worker_socket(slots=3)
    ids = scene.batch(*(scene.body() for _ in range(3)))

    claim = worker.send("claim_job", max_jobs=5)
    given = [worker.expect("job_assigned", reply_to=claim, index=i, count=3) for i in range(3)]
    tokens = [
        {name: one["assignment"][name] for name in ("job_id", "attempt", "lease")} for one in given
    ]
    worker.send_text(
        json.dumps(
            [
                {"type": "job_accepted_by_worker", "id": 1, **tokens[0]},
                {"type": "update_job_progress", "id": 2, **tokens[0], "progress": 10},
                {"type": "complete_job", "id": 3, **tokens[0], "result": 1},
                {"type": "fail_job", "id": 4, **tokens[1], "error": "no", "retry": False},
                {"type": "complete_job", "id": 5, **tokens[2], "attempt": 99},
                {"type": "release_job", "id": 6, **tokens[2]},
            ]
        )
    )
    kinds = {reply["reply_to"]: reply for reply in worker.frame()}

    assert [one["assignment"]["job_id"] for one in given] == ids
    assert {number: reply["type"] for number, reply in kinds.items()} == {
        1: "ack",
        3: "job_completed_ack",
        4: "job_failed_ack",
        5: "error",
        6: "ack",
    }
    assert kinds[4]["retry_scheduled"] is False
    assert kinds[5]["error_code"] == "stale_attempt"
    assert [scene.job(job_id)["status"] for job_id in ids] == ["completed", "failed", "queued"]


def test_a_claim_waits_for_a_job_and_says_when_none_came(scene: Scene) -> None:
    worker = scene.worker_socket()
    assert worker.ask("claim_job", "no_job", wait_ms=0)
    assert worker.ask("claim_job", "no_job", wait_ms=20)
    claim = worker.send("claim_job")

    job_id = scene.submit()

    given = worker.expect("job_assigned", reply_to=claim, index=0, count=1)
    assert given["assignment"]["job_id"] == job_id
    assert set(given["assignment"]) >= {
        "job_id", "attempt", "lease", "job_type", "priority", "customer_id", "payload", "inputs",
        "requirements", "timeout_seconds", "accept_timeout_ms", "trace",
    }  # fmt: skip


def test_a_worker_hears_of_a_cancel_and_frees_its_slot(scene: Scene) -> None:
    worker = scene.worker_socket()
    first, second = scene.submit(), scene.submit()
    token = worker.ask("claim_job", "job_assigned")["assignment"]

    scene.cancel(first)
    told = worker.expect("cancel_job", job_id=first, attempt=1)
    claim = worker.send("claim_job")
    worker.ask("release_job", "ack", job_id=first, attempt=1, lease=token["lease"])

    assert told["attempt"] == 1
    assert worker.expect("job_assigned", reply_to=claim)["assignment"]["job_id"] == second


def test_a_clean_close_gives_back_at_once_and_a_broken_one_does_not(scene: Scene) -> None:
    first, second = scene.worker_socket(), scene.worker_socket()
    ids = scene.batch(scene.body(), scene.body())
    held = first.ask("claim_job", "job_assigned")["assignment"]["job_id"]
    kept = second.ask("claim_job", "job_assigned")["assignment"]["job_id"]
    assert {held, kept} == set(ids)

    second.connection.socket.shutdown(2)
    first.close()

    scene.becomes(held, "queued")
    assert scene.job(held)["attempts"][0]["outcome"] == "released"
    assert scene.job(kept)["status"] == "assigned"


def test_a_newer_registration_replaces_the_older(scene: Scene) -> None:
    worker = scene.worker()
    held = worker.take(scene.submit())
    session = worker.register(current_jobs=[])["session"]
    with scene.hub.socket("/ws/worker") as older, scene.hub.socket("/ws/worker") as newer:
        body = {"worker_id": worker.id, "capabilities": worker.capabilities, "protocol": 1}
        first = older.ask("register_worker", "worker_registered", **body)
        second = newer.ask("register_worker", "worker_registered", **body)

        assert older.closed_with() == 4009
        assert older.unread[-1]["error_code"] == "worker_replaced"
        assert len({session, first["session"], second["session"]}) == 3
        newer.ask("worker_heartbeat", "worker_heartbeat_ack", current_jobs=[])
    for old in (session, first["session"]):
        path = f"/api/workers/{worker.id}/heartbeat"
        answer = scene.http("POST", path, {"current_jobs": [], "session": old})
        assert answer.status in (404, 409)
    assert scene.job(held["job_id"])["attempts"][0]["outcome"] in ("lost", "released")


def test_a_worker_that_does_not_register_is_told(scene: Scene) -> None:
    with scene.hub.socket("/ws/worker") as socket:
        assert socket.ask("claim_job", "error")["error_code"] == "wrong_state"
        wrong = socket.ask("register_worker", "error", worker_id="w", capabilities={}, protocol=2)
        assert wrong["details"][0]["pointer"] == "/protocol"
        assert socket.closed_with() == 4002


def test_too_large_a_message_closes_with_1009(scene: Scene) -> None:
    client = scene.client()
    client.send_text('"' + "x" * ((10 << 20) + 1) + '"')
    assert client.closed_with() == 1009
