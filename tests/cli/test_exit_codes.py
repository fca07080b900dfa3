"""Each situation has its exit code and one sentence; never a traceback."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Empq
from tests.cli.fake_hub import Answer, FakeHub

COMPLETED = {"id": "j1", "type": "t", "status": "completed", "worker_id": "sim-1"}
FAILED = {
    "id": "j1",
    "type": "t",
    "status": "failed",
    "error": {"code": "job_failed", "message": "no"},
}


def test_a_completed_job_is_0_and_a_failed_one_1(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("GET /api/jobs/j1/wait", COMPLETED)
    assert empq("wait", "j1").returncode == 0

    fake_hub.answer("GET /api/jobs/j1/wait", FAILED)
    failed = empq("wait", "j1")
    assert failed.returncode == 1
    assert b"failed" in failed.stdout
    assert b"job_failed: no" in failed.stdout


def test_waiting_goes_on_until_the_end_or_the_time_out(empq: Empq, fake_hub: FakeHub) -> None:
    queued = {"id": "j1", "type": "t", "status": "queued"}
    fake_hub.answer("GET /api/jobs/j1/wait", queued, queued, COMPLETED)
    assert empq("wait", "j1").returncode == 0
    assert len(fake_hub.requests) == 3

    fake_hub.answer("GET /api/jobs/j1/wait", queued)
    late = empq("wait", "j1", "--timeout", "0")
    assert late.returncode == 1
    assert b"still queued after 0 s" in late.stderr


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "unauthenticated", 4),
        (403, "forbidden", 4),
        (404, "not_found", 2),
        (409, "wrong_state", 2),
        (422, "invalid_field", 2),
        (429, "rate_limited", 2),
        (503, "not_ready", 3),
    ],
)
def test_what_the_hub_refuses(
    empq: Empq, fake_hub: FakeHub, status: int, code: str, exit_code: int
) -> None:
    fake_hub.problem("POST /api/jobs/j1/cancel", status, code, "a sentence of the hub")

    refused = empq("cancel", "j1")

    assert refused.returncode == exit_code
    assert refused.stderr == b"empq: a sentence of the hub\n"
    assert refused.stdout == b""


def test_field_errors_are_shown_with_their_pointers(empq: Empq, fake_hub: FakeHub) -> None:
    body = (
        b'{"code":"invalid_field","detail":"2 fields are wrong","errors":'
        b'[{"pointer":"/priority","detail":"above 100"},{"pointer":"/type","detail":"empty"}]}'
    )
    fake_hub.answer("POST /api/jobs", Answer(422, body))

    refused = empq("submit", "x", "--priority", "101")

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[1:] == [b"  /priority: above 100", b"  /type: empty"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:1", "ftp://x", "http://a:b"])
def test_a_hub_that_cannot_be_reached_is_3(empq: Empq, address: str) -> None:
    unreachable = empq("jobs", "--hub", address)

    assert unreachable.returncode == 3
    assert address.removeprefix("http://").encode() in unreachable.stderr
    assert b"Traceback" not in unreachable.stderr


def test_another_server_at_the_address_is_3(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("GET /api/jobs", Answer(200, b"<html>", "text/html"))

    other = empq("jobs")

    assert other.returncode == 3
    assert b"no empq hub" in other.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("jobs", "--limit", "0"),
        ("submit", "x", "-p", "no-equals-sign"),
        ("submit", "x", "--payload", "{"),
        ("submit", "x", "--payload", "@/no/such/file"),
        ("submit", "x", "-p", "a=1", "--payload", "{}"),
        ("match", "not json"),
        ("hub", "--port", "many"),
        ("hub", "--nonsense"),
        ("sim", "nonsense"),
        ("up", "--workers", "-1"),
    ],
)
def test_usage_errors_are_2_and_send_nothing(
    empq: Empq, fake_hub: FakeHub, arguments: tuple[str, ...]
) -> None:
    refused = empq(*arguments)

    assert refused.returncode == 2
    assert b"Traceback" not in refused.stderr
    assert fake_hub.requests == []


def test_up_says_which_port_is_taken_and_starts_nothing(
    empq: Empq, fake_hub: FakeHub, clean_environment: dict[str, str]
) -> None:
    port = fake_hub.url.rpartition(":")[2]

    refused = empq("up", "--port", port)

    assert refused.returncode == 2
    assert f"port {port} on 127.0.0.1 is taken".encode() in refused.stderr
    assert refused.stderr.count(b"\n") == 1


def test_no_auth_on_another_address_is_refused(empq: Empq) -> None:
    refused = empq("up", "--no-auth", "--host", "0.0.0.0")

    assert refused.returncode == 2
    assert b"loopback" in refused.stderr
