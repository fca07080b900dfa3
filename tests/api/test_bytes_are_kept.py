"""Payloads and results come back byte for byte, whatever way they took (field reports R37, R38)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.processes import KEY
from tests.support.scene import HandWorker, Scene

NUMBERS = (
    b'{"seed": 6687881544318117707, "a": 130775545883395173, "b": 19933688932870350000,'
    b' "c": 1e400, "d": 1.0, "e": -0, "f": 0.1000, "g": -0.0, "h": 12345678901234567890123456789}'
)
EMPTIES = b'{"a": [], "b": {}, "c": [[], {}], "d" :"" ,"e": null}'
TEXT = '{ "n" : 1e3,"é":[1.0 ,  2E+2 ],\n\t"esc":"\\u00e9\\/\\ud83d\\ude00 “”", "dup":1,"dup":2}'.encode()
SCALARS = (b"[]", b"{}", b'""', b"0", b"-0", b"false", b'"\\u0000"', b"1e400")


def result_of(scene: Scene, worker: HandWorker, job_id: str, payload: bytes, result: bytes) -> None:
    """Claims the job, checks the bytes it carries, completes it with these and checks what is read."""
    raw = worker.begin_claim(10_000).answer().raw
    [assignment] = json.loads(raw)["jobs"]
    assert assignment["job_id"] == job_id
    assert b'"payload":' + payload in raw.replace(b'"payload": ', b'"payload":')
    body = b'{"worker_id":"%b","attempt":%d,"lease":"%b","result":  %b }' % (
        worker.id.encode(), assignment["attempt"], assignment["lease"].encode(), result,
    )  # fmt: skip
    answer = scene.http("POST", f"/api/jobs/{job_id}/complete", body)
    assert answer.status == 200, answer
    whole = scene.http("GET", f"/api/jobs/{job_id}").raw
    narrow = scene.http("GET", f"/api/jobs/{job_id}?fields=payload,result").raw
    assert narrow == b'{"payload":%b,"result":%b}' % (payload, result)
    assert narrow[1:-1].partition(b',"result"')[0] in whole


@pytest.mark.parametrize("payload", [NUMBERS, EMPTIES, TEXT, *SCALARS])
def test_by_submit_batch_delay_dependency_and_retry(scene: Scene, payload: bytes) -> None:
    worker = scene.worker()
    body = scene.raw_body(payload)
    single = scene.http("POST", "/api/jobs", body).json["id"]
    batched = scene.http(
        "POST",
        "/api/jobs/batch",
        b'{"jobs":[%b,%b,%b]}'
        % (
            body[:-1] + b',"workflow_id":"w"}',
            body[:-1] + b',"delay_seconds":0.01}',
            body[:-1] + b',"depends_on":["%b"]}' % single.encode(),
        ),
    ).json["jobs"]
    doomed = scene.http("POST", "/api/jobs", body[:-1] + b',"priority":99}').json["id"]
    scene.cancel(doomed)
    again = scene.http("POST", f"/api/jobs/{doomed}/retry").json["id"]
    scene.becomes(batched[1]["id"], "queued")

    result_of(scene, worker, again, payload, payload)
    result_of(scene, worker, single, payload, payload)
    for job in batched[:1]:
        result_of(scene, worker, job["id"], payload, payload)
    left = {job["id"] for job in batched[1:]}
    scene.becomes(batched[2]["id"], "queued")
    for _ in range(2):
        raw = worker.begin_claim(10_000).answer().raw
        [assignment] = json.loads(raw)["jobs"]
        left.remove(assignment["job_id"])
        assert payload in raw
        worker.does("complete", assignment)
    assert not left


@pytest.mark.parametrize("payload", [NUMBERS, EMPTIES, TEXT])
def test_by_websocket(scene: Scene, payload: bytes) -> None:
    client, worker = scene.client(), scene.worker_socket()
    head = scene.raw_body(payload).replace(b'"type"', b'"job_type"')[1:]
    client.send_text((b'{"type":"submit_job","id":1,' + head).decode())
    job_id = client.expect("job_accepted", reply_to=1)["job_id"]
    worker.send("claim_job")
    text = worker.connection.recv(timeout=30)
    assert isinstance(text, str) and payload.decode() in text
    token = json.loads(text)["assignment"]
    fence = f'"job_id":"{job_id}","attempt":{token["attempt"]},"lease":"{token["lease"]}"'
    worker.send_text(f'{{"type":"complete_job","id":9,{fence},"result":{payload.decode()}}}')
    worker.expect("job_completed_ack", reply_to=9)
    client.send("request_job_status", job_id=job_id)

    told = client.connection.recv(timeout=30)

    assert isinstance(told, str) and told.count(payload.decode()) == 2


def test_by_the_command_line(scene: Scene) -> None:
    job_id = scene.http("POST", "/api/jobs", scene.raw_body(NUMBERS)).json["id"]
    variables = {"EMPQ_HUB": scene.hub.url, "EMPQ_ADMIN_KEY": KEY}
    told = subprocess.run(
        (sys.executable, "-m", "empq", "job", job_id, "--json"),
        env={**scene.hub.environment, **variables},
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout

    for number in (b"6687881544318117707", b"19933688932870350000", b"1e400", b"-0", b"0.1000"):
        assert number in told


@pytest.mark.parametrize("number", ["6687881544318117707", "19933688932870350000", "1e400", "-1"])
def test_such_numbers_as_quantities_are_refused(scene: Scene, number: str) -> None:
    head = f'{{"type":"x","payload":1,"customer_id":"{scene.customer}",'
    for field, pointer in (
        ('"priority":%s}', "/priority"),
        (
            '"requirements":{"hardware":{"gpu_memory_gb":%s}}}',
            "/requirements/hardware/gpu_memory_gb",
        ),
        ('"max_retries":%s}', "/max_retries"),
        ('"timeout_seconds":%s}', "/timeout_seconds"),
        ('"delay_seconds":%s}', "/delay_seconds"),
    ):
        answer = scene.http("POST", "/api/jobs", (head + field % number).encode())
        assert answer.status in (400, 422), (field, answer)
        assert answer.code == "bad_json" or answer.pointers == [pointer]
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


@pytest.mark.parametrize(
    ("capabilities", "job", "rule"),
    [
        ({"job_types": []}, {}, "job_types"),
        ({"components": []}, {"component": "c1"}, "component"),
        ({"customer_access": {"allowed_customers": []}}, {}, "customer_access"),
    ],
)
def test_a_worker_of_an_empty_list_gets_nothing(
    scene: Scene, capabilities: dict[str, Any], job: dict[str, Any], rule: str
) -> None:
    worker = scene.worker(**capabilities)
    job_id = scene.submit(requirements={"service_type": scene.service, **job})

    assert worker.claim(wait_ms=100) == []
    explained = scene.http.get(f"/api/jobs/{job_id}/explain")
    [own] = [one for one in explained["workers"] if one["worker_id"] == worker.id]
    [rejection] = own["rejections"]

    assert rejection["rule"] == rule
    assert rejection["required"] == {
        "job_types": scene.type,
        "component": "c1",
        "customer_access": scene.customer,
    }.get(rule)
    assert rejection["offered"] == []
    shown = scene.http.get(f"/api/workers/{worker.id}")["capabilities"]
    for name, value in capabilities.items():
        assert shown[name] == value
