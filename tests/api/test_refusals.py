"""What a hub refuses, it names: the field by its pointer, the rule, the status; nothing is stored and nothing leaks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.http_calls import Answer, Http
from tests.support.processes import KEY, Hub
from tests.support.scene import Scene
from tests.support.sockets import Socket

PARTS = {"type", "title", "status", "detail", "code", "request_id"}


def is_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    assert set(answer.json) >= PARTS
    assert answer.json["status"] == status
    assert b"Traceback" not in answer.raw


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"priority": 101}, "/priority"),
        ({"priority": -1}, "/priority"),
        ({"priority": 1.5}, "/priority"),
        ({"priority": "high"}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"type": ""}, "/type"),
        ({"type": 5}, "/type"),
        ({"payload": None}, "/payload"),
        ({"customer_id": "x" * 65}, "/customer_id"),
        ({"customer_id": "a\nb"}, "/customer_id"),
        ({"max_retries": -1}, "/max_retries"),
        ({"retry_delays_seconds": []}, "/retry_delays_seconds"),
        ({"retry_delays_seconds": [1, -1]}, "/retry_delays_seconds/1"),
        ({"timeout_seconds": 0}, "/timeout_seconds"),
        ({"accept_timeout_seconds": -1}, "/accept_timeout_seconds"),
        ({"delay_seconds": -1}, "/delay_seconds"),
        ({"delay_seconds": 1, "run_at": "2040-01-01T00:00:00Z"}, "/run_at"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "/deadline"),
        ({"deadline": 5}, "/deadline"),
        ({"keep_seconds": -1}, "/keep_seconds"),
        ({"depends_on": "x"}, "/depends_on"),
        ({"depends_on": [1]}, "/depends_on/0"),
        ({"metadata": {"a": 1}}, "/metadata"),
        ({"inputs": {"a": "ftp://x"}}, "/inputs/a"),
        ({"requirements": []}, "/requirements"),
        ({"requirements": {"service_type": 1}}, "/requirements/service_type"),
        ({"requirements": {"models": ["m"], "hardware": {"gpu_memory_gb": -1}}}, "/requirements/hardware/gpu_memory_gb"),
        ({"requirements": {"hardware": {"gpu_memory_gb": "8"}}}, "/requirements/hardware/gpu_memory_gb"),
        ({"requirements": {"constraints": [{"key": "a", "op": "like", "value": 1}]}}, "/requirements/constraints/0/op"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(scene: Scene, fields: dict[str, Any], pointer: str) -> None:
    answer = scene.http("POST", "/api/jobs", scene.body(**fields))

    is_problem(answer, 422, "invalid_field")
    assert answer.pointers == [pointer]
    assert answer.json["errors"][0]["detail"]
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"prioritty": 1}, "/prioritty"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"requirements": {"servise_type": "x"}}, "/requirements/servise_type"),
        ({"requirements": {"hardware": {"gpus": 1}}}, "/requirements/hardware/gpus"),
        ({"requirements": {"not": {"modles": []}}}, "/requirements/not/modles"),
        ({"requirements": {"constraints": [{"key": "a", "op": "exists", "wight": 1}]}}, "/requirements/constraints/0/wight"),
    ],
)  # fmt: skip
def test_an_unknown_field_is_named(scene: Scene, fields: dict[str, Any], pointer: str) -> None:
    answer = scene.http("POST", "/api/jobs", scene.body(**fields))

    is_problem(answer, 422, "unknown_field")
    assert answer.pointers == [pointer]
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


def test_missing_fields_are_named(scene: Scene) -> None:
    for body, pointer in (
        ({"payload": 1}, "/type"),
        ({"type": "x"}, "/payload"),
        ({"type": None, "payload": 1}, "/type"),
    ):
        answer = scene.http("POST", "/api/jobs", body)
        is_problem(answer, 422, "invalid_field")
        assert answer.pointers == [pointer]


@pytest.mark.parametrize(
    "body", [b"{", b"", b"nonsense", b'{"type":"x","payload":{}', b"\xff\xfe", b'{"type":"\xff"}']
)
def test_what_is_no_json_is_bad_json(scene: Scene, body: bytes) -> None:
    answer = scene.http("POST", "/api/jobs", body)
    if body:
        is_problem(answer, 400, "bad_json")
    else:
        is_problem(answer, 422, "invalid_field")


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null"])
def test_a_body_that_is_no_object_is_refused(scene: Scene, body: bytes) -> None:
    is_problem(scene.http("POST", "/api/jobs", body), 422, "invalid_field")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"worker_id": "a b", "capabilities": {}}, "/worker_id"),
        ({"worker_id": "x" * 65, "capabilities": {}}, "/worker_id"),
        ({"capabilities": {}}, "/worker_id"),
        ({"worker_id": "w", "capabilities": {"services": "x"}}, "/capabilities/services"),
        ({"worker_id": "w", "capabilities": {"servises": []}}, "/capabilities/servises"),
        ({"worker_id": "w", "capabilities": {"services": [], "hardware": {"gpu_memory_gb": -1}}}, "/capabilities/hardware/gpu_memory_gb"),
        ({"worker_id": "w", "capabilities": {}, "current_jobs": [{"job_id": "x"}]}, "/current_jobs/0/attempt"),
    ],
)  # fmt: skip
def test_a_wrong_registration_is_named(scene: Scene, body: dict[str, Any], pointer: str) -> None:
    answer = scene.http("POST", "/api/workers", body)
    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_worker_s_wrong_messages_are_named(scene: Scene) -> None:
    worker = scene.worker()
    held = [worker.take(scene.submit())]
    token = {
        "worker_id": worker.id,
        "attempt": held[0]["attempt"],
        "lease": held[0]["lease"],
    }
    job = f"/api/jobs/{held[0]['job_id']}"
    for path, body, pointer in (
        (f"{job}/progress", token | {"progress": 101}, "/progress"),
        (f"{job}/progress", token | {"progres": 1}, "/progres"),
        (f"{job}/fail", token, "/error"),
        (f"{job}/complete", token | {"artifacts": ["never-uploaded.png"]}, "/artifacts/0"),
        (f"{job}/complete", {"worker_id": worker.id}, "/attempt"),
        (f"/api/workers/{worker.id}/claim?max_jobs=0", {}, "/max_jobs"),
        (f"/api/workers/{worker.id}/claim?wait_ms=-1", {}, "/wait_ms"),
        (f"/api/workers/{worker.id}/claim?wait=1", {}, "/wait"),
        (f"/api/workers/{worker.id}/heartbeat", {}, "/current_jobs"),
    ):
        answer = scene.http("POST", path, body)
        assert (answer.status, answer.pointers) == (422, [pointer]), (path, body)
    assert scene.job(held[0]["job_id"])["status"] == "assigned"
    worker.does("complete", held[0])


def test_an_unknown_worker_registers_first(scene: Scene) -> None:
    for call, body in (("heartbeat", {"current_jobs": []}), ("claim?wait_ms=0", {})):
        is_problem(scene.http("POST", f"/api/workers/nobody/{call}", body), 404, "not_found")
    is_problem(scene.http("GET", "/api/workers/nobody"), 404, "not_found")


def test_unknown_paths_and_methods(scene: Scene) -> None:
    is_problem(scene.http("GET", "/api/nothing"), 404, "not_found")
    is_problem(scene.http("GET", "/api/jobs/%00%ff"), 404, "not_found")
    is_problem(scene.http("GET", "/api/jobs/" + "x" * 3000), 404, "not_found")
    wrong = scene.http("DELETE", "/api/jobs")
    is_problem(wrong, 405, "not_found")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "POST"}


def test_what_is_too_large_is_refused_and_the_hub_goes_on(scene: Scene) -> None:
    worker = scene.worker()
    too_large = b'"' + b"x" * (8 << 20) + b'"'
    for body in (scene.raw_body(too_large), scene.raw_body(b"[" * 40 + b"]" * 40)):
        is_problem(scene.http("POST", "/api/jobs", body), 413, "too_large")
    is_problem(scene.http("POST", "/api/jobs", b" " * (13 << 20)), 413, "too_large")
    items = b",".join([b'{"type":"x","payload":1}'] * 10_001)
    is_problem(scene.http("POST", "/api/jobs/batch", b'{"jobs":[%b]}' % items), 413, "too_large")
    metadata = {f"k{i}": "v" for i in range(33)}
    is_problem(scene.http("POST", "/api/jobs", scene.body(metadata=metadata)), 413, "too_large")

    held = worker.take(scene.submit())
    is_problem(worker.say("complete", held, result="x" * (1 << 20)), 413, "too_large")

    assert worker.say("complete", held, result="small").status == 200
    assert len(scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"]) == 1


def test_a_key_is_asked_for_everywhere_but_at_the_probes(shared_hub: Hub) -> None:
    for key in (None, "wrong", KEY[:-1], KEY + "x", ""):
        http = Http(shared_hub.port, key)
        for method, path in (
            ("GET", "/api/jobs"),
            ("POST", "/api/jobs"),
            ("GET", "/api/nothing"),
            ("GET", "/metrics"),
            ("POST", "/api/workers"),
            ("GET", f"/api/jobs?token={KEY}"),
            ("GET", f"/api/jobs?api_key={KEY}&access_token={KEY}"),
        ):
            answer = http(method, path)
            is_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert http("GET", "/livez").status == 200
        assert http("GET", "/readyz").status == 200
    basic = "Basic " + base64.b64encode(f"admin:{KEY}".encode()).decode()
    is_problem(
        Http(shared_hub.port, None)("GET", "/api/jobs", None, {"Authorization": basic}),
        401,
        "unauthenticated",
    )


@pytest.mark.parametrize("path", ["/ws/client", "/ws/worker"])
def test_a_socket_without_the_key_is_closed_with_4001(shared_hub: Hub, path: str) -> None:
    port = shared_hub.port
    for key, target in ((None, path), ("wrong", path), (None, f"{path}?token={KEY}")):
        with Socket(port, target, key) as socket:
            assert socket.closed_with() == 4001
    for token, opens in ((KEY, True), ("wrong", False)):
        bearer = "empq.bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
        with Socket(port, path, None, subprotocols=["empq.v1", bearer]) as socket:
            assert socket.connection.subprotocol == "empq.v1"
            if opens:
                assert socket.ask("nonsense", "error")["error_code"] == "invalid_field"
            else:
                assert socket.closed_with() == 4001


def test_the_key_stands_in_no_log(shared_hub: Hub) -> None:
    """At log level debug, after all that the tests before this one have called."""
    http = Http(shared_hub.port, KEY)
    http("GET", f"/api/jobs?token={KEY}")
    http("POST", "/api/jobs", b"{")
    with Socket(shared_hub.port, f"/ws/client?token={KEY}", KEY) as socket:
        socket.ask("ping", "pong")
    assert http("GET", "/metrics").status == 200
    for text in (shared_hub.text, http("GET", "/metrics").raw.decode()):
        assert KEY not in text
        assert KEY[:12] not in text
