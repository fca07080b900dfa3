"""The client sends what the contract says and raises what the hub's code names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from empq import errors
from empq.client import Client, HubUnreachable, SyncClient

JOB = {"id": "j", "status": "queued"}
DONE = {"id": "j", "status": "completed", "result": {"x": 1}}


async def test_submit_sends_the_request_and_the_key(client: Client, hub: Any) -> None:
    hub.answers = [(201, JOB)]

    answer = await client.submit("t", {"a": []}, priority=0, idempotency_key="once")

    assert answer == JOB
    method, path, body, headers = hub.calls[0]
    assert (method, path) == ("POST", "/api/jobs")
    assert body == {"type": "t", "payload": {"a": []}, "priority": 0}
    assert headers["Authorization"] == "Bearer key"
    assert headers["Idempotency-Key"] == "once"


async def test_each_call_has_its_path(client: Client, hub: Any) -> None:
    hub.answers = [(200, {"jobs": [JOB]})] + [(200, JOB)] * 5 + [(200, b"\x89PNG")]

    assert await client.submit_batch([{"type": "t"}], partial=True) == [JOB]
    await client.job("j", fields=["status", "result"])
    await client.jobs(status="failed", limit=2)
    await client.cancel("j", "why")
    await client.retry("j")
    await client.explain("a/b")
    assert await client.artifact("j", "a b.png") == b"\x89PNG"

    assert [(method, path) for method, path, _, _ in hub.calls] == [
        ("POST", "/api/jobs/batch"),
        ("GET", "/api/jobs/j?fields=status,result"),
        ("GET", "/api/jobs?status=failed&limit=2"),
        ("POST", "/api/jobs/j/cancel"),
        ("POST", "/api/jobs/j/retry"),
        ("GET", "/api/jobs/a%2Fb/explain"),
        ("GET", "/api/jobs/j/artifacts/a%20b.png"),
    ]
    assert hub.calls[3][2] == {"reason": "why"}


async def test_wait_asks_again_until_the_job_has_ended_or_the_time_is_over(
    client: Client, hub: Any
) -> None:
    hub.answers = [(200, JOB), (200, JOB), (200, DONE)]
    assert await client.wait("j") == DONE
    hub.answers = [(200, JOB)]
    assert await client.wait("j", timeout_seconds=0) == JOB


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            422,
            {
                "code": "invalid_field",
                "detail": "/priority: too big",
                "errors": [{"pointer": "/priority", "detail": "too big"}],
            },
            errors.InvalidField,
            "/priority: too big",
        ),
        (409, {"code": "wrong_state", "detail": "no"}, errors.WrongState, "no"),
        (429, {"code": "rate_limited", "detail": "slow"}, errors.RateLimited, "try again in 7 s"),
        (401, b"who?", errors.Unauthenticated, "who?"),
        (502, b"", errors.Unavailable, "the hub answered 502"),
    ],
)
async def test_an_error_is_raised_by_its_code(
    client: Client, hub: Any, status: int, body: Any, kind: type[errors.EmpqError], text: str
) -> None:
    hub.answers = [(status, body)]
    with pytest.raises(kind, match=text) as caught:
        await client.call("GET", "/api/stats")
    if status == 422:
        assert caught.value.errors == (errors.FieldError("/priority", "too big"),)


async def test_no_connection_is_an_error_of_its_own() -> None:
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(HubUnreachable, match="cannot reach the hub at"):
            await client.job("j")
    assert HubUnreachable not in errors.all_errors().values()


async def test_events_go_on_after_a_break_and_end_with_the_job(client: Client, hub: Any) -> None:
    hub.streams = [
        ': hello\n\nid: e1\nevent: job_queued\ndata: {"status": "queued"}\n\nid: e2\nevent: job_up',
        'id: e2\nevent: job_update\ndata: {"status":\ndata:  "in_progress", "progress": 5}\n\n',
        'id: e3\nevent: job_completed\ndata: {"status": "completed"}\n\n',
    ]

    events = [event async for event in client.events("j")]

    assert [(event["event_id"], event["type"]) for event in events] == [
        ("e1", "job_queued"),
        ("e2", "job_update"),
        ("e3", "job_completed"),
    ]
    resumed = [headers.get("Last-Event-ID") for _, _, _, headers in hub.calls]
    assert resumed == [None, "e1", "e2"]


async def test_watch_subscribes_and_says_when_the_connection_ends(client: Client, hub: Any) -> None:
    queued = {"type": "job_queued", "job_id": "j"}
    hub.notices = [{"type": "job_notifications_subscribed", "subscription": "s"}, [queued, queued]]
    seen: list[Any] = []
    with pytest.raises(HubUnreachable):
        async for event in client.watch(job_types=["t"]):
            seen.append(event)

    assert seen == [queued, queued]
    kind, protocol, asked, headers = hub.calls[0]
    assert (kind, protocol, headers["Authorization"]) == ("WS", "empq.v1", "Bearer key")
    assert asked["type"] == "subscribe_job_notifications"
    assert asked["filters"] == {"job_types": ["t"]}


async def test_a_refused_subscription_is_raised(client: Client, hub: Any) -> None:
    hub.notices = [{"type": "error", "error_code": "forbidden", "error": "not yours"}]
    with pytest.raises(errors.Forbidden, match="not yours"):
        await anext(client.watch(customer_id="c"))


async def test_the_twin_without_asyncio_does_the_same(hub: Any) -> None:
    hub.answers = [(201, JOB), (200, DONE), (404, {"code": "not_found", "detail": "none"})]
    hub.streams = ['id: e\nevent: job_completed\ndata: {"status": "completed"}\n\n']

    def use() -> list[Any]:
        with SyncClient(hub.url, "key") as client:
            found = [client.submit("t"), client.wait("j"), list(client.events("j"))]
            with pytest.raises(errors.NotFound):
                client.job("x")
        client.close()
        return found

    submitted, waited, events = await asyncio.to_thread(use)
    assert (submitted, waited) == (JOB, DONE)
    assert [event["type"] for event in events] == ["job_completed"]
