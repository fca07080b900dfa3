"""What every call shares: problems with pointers, limits, keys, bytes kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from empq.api.application import Application
from empq.api.authentication import Authentication
from tests.api.asgi_client import call
from tests.api.conftest import Bench


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b'{"type":"x","payload":{},"priority":101}', 422, "invalid_field", "/priority"),
        (b'{"type":"x","payload":{},"priority":1.5}', 422, "invalid_field", "/priority"),
        (b'{"type":"x","payload":{},"priority":true}', 422, "invalid_field", "/priority"),
        (b'{"type":"x","payload":{},"prioritty":1}', 422, "unknown_field", "/prioritty"),
        (b'{"type":"x","payload":{},"a/b~":1}', 422, "unknown_field", "/a~1b~0"),
        (b'{"payload":{}}', 422, "invalid_field", "/type"),
        (b'{"type":"x","payload":null}', 422, "invalid_field", "/payload"),
        (b'{"type":"x","payload":{},"webhook":{"url":"u","events":[1]}}', 422, "invalid_field", "/webhook/events/0"),
        (b'{"type":"x","payload":{', 400, "bad_json", None),
        (b'{"type":"x","payload":"\xff"}', 400, "bad_json", None),
        (b'{"type":"x","payload":' + b"[" * 33 + b"]" * 33 + b"}", 413, "too_large", None),
        (b'{"type":"x","payload":' + b"[" * 100_000 + b"}", 413, "too_large", None),
        (b'{"type":"x","payload":"' + b"y" * (8 << 20) + b'"}', 413, "too_large", None),
        (b'{"type":"x","payload":{},"metadata":{"a":"' + b"y" * 257 + b'"}}', 413, "too_large", None),
    ],
)  # fmt: skip
async def test_a_bad_job_is_refused_by_path_and_nothing_is_stored(
    bench: Bench, body: bytes, status: int, code: str, pointer: str | None
) -> None:
    answer = await call(bench.app, "POST", "/api/jobs", body)

    problem = answer.json
    assert (answer.status, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()
    assert pointer is None or [e["pointer"] for e in problem["errors"]] == [pointer]
    assert bench.jobs.calls == []


async def test_the_payload_reaches_the_service_byte_for_byte(bench: Bench) -> None:
    payload = '{ "n" : 1e3,"é":[1.0 ,  -0.0], "x":["]]]", "\\""] }'.encode()

    answer = await call(bench.app, "POST", "/api/jobs", b'{"type":"x","payload":  %b  }' % payload)

    assert answer.status == 201
    assert bench.jobs.calls == [("submit", "x", payload, None)]


async def test_a_repeat_with_the_same_key_answers_the_same_bytes_and_says_so(bench: Bench) -> None:
    headers = {"Idempotency-Key": "k"}
    body = b'{"type":"x","payload":{}}'

    first = await call(bench.app, "POST", "/api/jobs", body, headers)
    again = await call(bench.app, "POST", "/api/jobs", body, headers)

    assert (again.status, again.raw) == (201, first.raw)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    key = bench.jobs.calls[0][3]
    assert (key.scope, key.key, key.body) == ("admin:submit", "k", body)


async def test_a_batch_names_each_invalid_item(bench: Bench) -> None:
    good, bad, worse = (
        {"type": "x", "payload": {}},
        {"type": "x", "payload": {}, "priority": -1},
        {"payload": 1},
    )

    answer = await call(bench.app, "POST", "/api/jobs/batch", {"jobs": [good, bad, worse]})

    assert answer.status == 422
    assert [e["pointer"] for e in answer.json["errors"]] == ["/jobs/1/priority", "/jobs/2/type"]
    assert bench.jobs.calls == []


async def test_a_partial_batch_takes_the_valid_items(bench: Bench) -> None:
    good, bad = {"type": "x", "payload": {}}, {"type": "x", "payload": {}, "priority": -1}

    answer = await call(
        bench.app, "POST", "/api/jobs/batch", {"jobs": [bad, good], "partial": True}
    )

    assert answer.status == 201
    refused, taken = answer.json["jobs"]
    assert (refused["error"]["code"], taken["status"]) == ("invalid_field", "queued")
    assert "request_id" not in refused["error"]


@pytest.mark.parametrize(
    ("path", "code", "pointer"),
    [
        ("/api/jobs?limit=0", "invalid_field", "/limit"),
        ("/api/jobs?limit=x", "invalid_field", "/limit"),
        ("/api/jobs?status=done", "invalid_field", "/status"),
        ("/api/jobs?colour=red", "unknown_field", "/colour"),
        ("/api/jobs/j1?fields=id,colour", "invalid_field", "/fields"),
    ],
)
async def test_a_bad_query_is_named_like_a_field(
    bench: Bench, path: str, code: str, pointer: str
) -> None:
    answer = await call(bench.app, "GET", path)

    assert (answer.status, answer.json["code"]) == (422, code)
    assert answer.json["errors"][0]["pointer"] == pointer


async def test_a_body_above_its_limit_is_refused_before_it_is_read(bench: Bench) -> None:
    headers = {"Content-Length": str(65 << 20)}

    answer = await call(bench.app, "POST", "/api/jobs/batch", b"{", headers)

    assert (answer.status, answer.json["code"]) == (413, "too_large")


async def test_complete_is_answered_with_the_fields_of_its_ack(bench: Bench) -> None:
    body = b'{"worker_id":"w","attempt":1,"lease":"l","result":   {"a" : 1.0} ,"processing_ms":5}'

    answer = await call(bench.app, "POST", "/api/jobs/j1/complete", body)

    assert (answer.status, answer.json) == (200, {"job_id": "j1"})
    assert bench.jobs.calls == [("complete", "j1", ("w", 1, "l"), b'{"a" : 1.0}', None)]


async def test_a_stale_attempt_is_409(bench: Bench) -> None:
    answer = await call(
        bench.app, "POST", "/api/jobs/j1/complete", {"worker_id": "w", "attempt": 0}
    )

    assert (answer.status, answer.json["code"]) == (409, "stale_attempt")


async def test_a_caller_who_hangs_up_gives_its_claim_up(bench: Bench) -> None:
    hang_up = asyncio.Event()
    claim = asyncio.ensure_future(
        call(bench.app, "POST", "/api/workers/w/claim?wait_ms=60000", hang_up=hang_up)
    )
    await bench.workers.waiting.wait()

    hang_up.set()
    answer = await claim

    assert answer.status == 0
    assert bench.workers.given_up.is_set()


async def test_a_defect_is_told_without_a_traceback(bench: Bench, caplog: Any) -> None:
    answer = await call(bench.app, "POST", "/api/jobs/j1/release", {"worker_id": "w", "attempt": 1})

    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    assert b"defect" not in answer.raw
    assert answer.json["request_id"] in caplog.text


async def test_paths_and_methods_that_do_not_exist(bench: Bench) -> None:
    assert (await call(bench.app, "GET", "/api/nothing")).json["code"] == "not_found"
    answer = await call(bench.app, "PUT", "/api/jobs")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert (await call(bench.app, "GET", "/api/jobs/bad%20id")).status == 404


async def test_without_the_key_only_health_and_the_document_are_open(bench: Bench) -> None:
    app = Application(bench.services, Authentication("secret"))

    for path in ("/livez", "/readyz", "/openapi.json"):
        assert (await call(app, "GET", path)).status == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        answer = await call(app, "GET", "/metrics", headers=headers)
        assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert (
        await call(app, "GET", "/metrics", headers={"Authorization": "bearer secret"})
    ).status == 200


async def test_the_document_describes_every_route(bench: Bench) -> None:
    document = (await call(bench.app, "GET", "/openapi.json")).json

    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/api/jobs"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/JobRequest"
    text = json.dumps(document)
    names = set(document["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names


async def test_artifacts_of_an_attempt_are_stored_and_survive(bench: Bench) -> None:
    path = "/api/jobs/j1/artifacts/my image.png?worker_id=w&attempt=1&lease=l"

    answer = await call(bench.app, "PUT", path, b"bytes", {"Content-Type": "image/png"})

    assert answer.status == 201
    assert (answer.json["size_bytes"], answer.json["content_type"]) == (5, "image/png")
    assert answer.json["url"] == "/api/jobs/j1/artifacts/my%20image.png"
    [kept] = bench.services.artifacts.listing("j1", 1)
    assert bench.services.artifacts.path("j1", 1, kept.name).read_bytes() == b"bytes"
    stale = await call(bench.app, "PUT", path.replace("attempt=1", "attempt=2"), b"late")
    assert stale.json["code"] == "stale_attempt"
    await bench.services.artifacts.forget("j1")
    assert bench.services.artifacts.listing("j1", 1) == []
