"""Sockets: registration, batches, order, closes; and events over SSE."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from empq.api import socket_connection
from empq.api.application import Application
from empq.api.authentication import Authentication
from tests.api.asgi_client import Socket, call
from tests.api.conftest import Bench
from tests.api.doubles import event

REGISTER: dict[str, Any] = {
    "type": "register_worker", "id": "r", "worker_id": "w1", "capabilities": {}, "protocol": 1,
}  # fmt: skip


async def opened(bench: Bench, path: str) -> Socket:
    socket = Socket(bench.app, path, ["empq.v1"])
    assert await socket.message() == {"type": "websocket.accept", "subprotocol": "empq.v1"}
    return socket


async def registered(bench: Bench) -> Socket:
    socket = await opened(bench, "/ws/worker")
    socket.send(REGISTER)
    reply = await socket.frame()
    assert (reply["type"], reply["reply_to"], reply["session"]) == ("worker_registered", "r", "s1")
    return socket


async def test_a_single_message_gets_a_single_reply_and_a_batch_one_array(bench: Bench) -> None:
    socket = await registered(bench)

    socket.send({"type": "complete_job", "id": 1, "job_id": "a", "attempt": 1, "result": {"x": 1}})
    single = await socket.frame()
    socket.send(
        [
            {"type": "job_accepted_by_worker", "id": 2, "job_id": "b", "attempt": 1},
            {"type": "update_job_progress", "id": 3, "job_id": "b", "attempt": 1, "progress": 50},
            {
                "type": "fail_job",
                "id": 4,
                "job_id": "c",
                "attempt": 1,
                "error": "boom",
                "retry": False,
            },
        ]
    )
    batch = await socket.frame()

    assert single == {"type": "job_completed_ack", "reply_to": 1, "job_id": "a"}
    assert [(m["type"], m["reply_to"]) for m in batch] == [("ack", 2), ("job_failed_ack", 4)]
    assert bench.jobs.calls[0] == ("complete", "a", ("w1", 1, None), b'{"x": 1}', None)
    await socket.close(1006)


async def test_messages_of_one_job_keep_their_order(bench: Bench) -> None:
    socket = await registered(bench)

    socket.send(
        [
            {"type": "job_accepted_by_worker", "job_id": "a", "attempt": 1},
            {"type": "complete_job", "job_id": "a", "attempt": 1},
            {"type": "job_accepted_by_worker", "job_id": "b", "attempt": 1},
        ]
    )
    await socket.frame()

    assert [call[:2] for call in bench.jobs.calls if call[1] == "a"] == [
        ("accept", "a"),
        ("complete", "a"),
    ]
    await socket.close(1006)


async def test_a_claim_is_answered_once_per_job(bench: Bench) -> None:
    socket = await registered(bench)
    bench.workers.offered = [b'{"job_id":"a","payload":{"x" :1}}', b'{"job_id":"b","payload":2}']

    socket.send({"type": "claim_job", "id": "c", "max_jobs": 2})
    first, second = await socket.message(), await socket.frame()

    assert '"assignment":{"job_id":"a","payload":{"x" :1}}' in first["text"]
    assert (second["reply_to"], second["index"], second["count"]) == ("c", 1, 2)
    await socket.close(1006)


async def test_a_malformed_message_costs_an_error_not_the_connection(bench: Bench) -> None:
    socket = await registered(bench)
    ping = {"type": "worker_heartbeat", "id": "h", "current_jobs": []}

    for bad, code in (
        ("{", "bad_json"),
        ('{"type":"fly","id":7}', "invalid_field"),
        ('{"type":"claim_job","max_jobs":0,"id":7}', "invalid_field"),
        ('{"type":"claim_job","colour":1,"id":7}', "unknown_field"),
        ("5", "invalid_field"),
    ):
        socket.send(bad)
        reply = await socket.frame()
        assert (reply["type"], reply["error_code"]) == ("error", code)
    socket.send([{"type": "fly", "id": 8}, ping])
    error, ack = await socket.frame()
    assert (error["reply_to"], error["details"][0]["pointer"]) == (8, "/type")
    assert ack == {
        "type": "worker_heartbeat_ack", "reply_to": "h", "lease_ms": 15000, "cancel": [], "stop": [], "drain": False,
    }  # fmt: skip
    await socket.close(1006)


async def test_nothing_is_taken_before_the_registration(bench: Bench) -> None:
    socket = await opened(bench, "/ws/worker")

    socket.send({"type": "claim_job", "id": 1})

    assert (await socket.frame())["error_code"] == "wrong_state"
    await socket.close(1000)
    assert bench.workers.removed == []


async def test_only_a_clean_close_removes_the_worker(bench: Bench) -> None:
    for code, removed in ((1006, []), (1005, []), (1001, [("w1", "s1")])):
        socket = await registered(bench)
        socket.send({"type": "claim_job", "id": 1, "wait_ms": 60000})
        await bench.workers.waiting.wait()
        await socket.close(code)
        await bench.workers.given_up.wait()
        assert bench.workers.removed == removed
        assert bench.workers.attached == []


async def test_a_replaced_worker_is_told_and_closed(bench: Bench) -> None:
    socket = await registered(bench)

    bench.workers.attached[0].cancel("j", 1, "cancelled")
    bench.workers.attached[0].replaced()

    assert (await socket.frame())["type"] == "cancel_job"
    assert (await socket.frame())["error_code"] == "worker_replaced"
    assert (await socket.message())["code"] == 4009
    await socket.task


async def test_a_restart_is_announced(bench: Bench) -> None:
    socket = await registered(bench)

    await bench.app.sockets.close()

    assert (await socket.frame())["type"] == "server_disconnect"
    assert (await socket.message())["code"] == 1012
    await socket.task
    assert bench.workers.removed == []


async def test_without_a_valid_key_a_socket_closes_with_4001(bench: Bench) -> None:
    app = Application(bench.services, Authentication("secret"))
    right = "empq.bearer." + base64.urlsafe_b64encode(b"secret").decode().rstrip("=")

    for offered, kind in (
        (["empq.v1"], "close"),
        (["empq.v1", "empq.bearer.!"], "close"),
        (["empq.v1", right], "send"),
    ):
        socket = Socket(app, "/ws/client", offered)
        await socket.message()
        socket.send({"type": "ping"})
        message = await socket.message()
        assert message["type"] == f"websocket.{kind}"
        assert message.get("code") == (4001 if kind == "close" else None)
        if kind == "send":
            await socket.close(1000)


async def test_a_message_above_10_mib_closes_with_1009(bench: Bench) -> None:
    socket = await opened(bench, "/ws/client")

    socket.send('"' + "x" * (10 << 20) + '"')

    assert (await socket.message())["code"] == 1009
    await socket.task


async def test_a_client_submits_and_sees_events_from_the_current_state_on(bench: Bench) -> None:
    socket = await opened(bench, "/ws/client")
    bench.jobs.events = [event("job_queued", "queued", 1), event("job_assigned", "assigned", 2)]

    socket.send({"type": "submit_job", "id": 1, "job_type": "x", "payload": {}})
    assert (await socket.frame()) == {
        "type": "job_accepted", "reply_to": 1, "job_id": "j1", "status": "queued", "position": 1,
        "estimated_start": None, "created_at": "2026-11-25T00:00:00.000Z",
    }  # fmt: skip
    socket.send({"type": "subscribe_job", "id": 2, "job_id": "j1"})
    subscribed, state = await socket.frame(), await socket.frame()
    bench.services.subscriptions.publish(
        [bench.jobs.events[1], event("job_completed", "completed", 3)]
    )
    end = await socket.frame()

    assert subscribed["type"] == "job_notifications_subscribed"
    assert (state["type"], state["subscription"]) == ("job_assigned", subscribed["subscription"])
    assert end["type"] == "job_completed"
    socket.send({"type": "unsubscribe", "id": 3, "subscription": subscribed["subscription"]})
    assert (await socket.frame()) == {"type": "ack", "reply_to": 3}
    await socket.close(1000)
    assert len(bench.services.subscriptions) == 0


async def test_server_sent_events_resume_after_the_last_event_id(bench: Bench) -> None:
    bench.jobs.events = [
        event("job_queued", "queued", 1), event("job_assigned", "assigned", 2), event("job_completed", "completed", 3),
    ]  # fmt: skip

    resumed = await call(
        bench.app, "GET", "/api/jobs/j1/events", headers={"Last-Event-ID": "00000001"}
    )
    fresh = await call(bench.app, "GET", "/api/jobs/j1/events")
    over = await call(
        bench.app, "GET", "/api/jobs/j1/events", headers={"Last-Event-ID": "00000003"}
    )

    assert resumed.headers["content-type"] == "text/event-stream"
    names = [line for line in resumed.raw.decode().splitlines() if line.startswith("event:")]
    assert names == ["event: job_assigned", "event: job_completed"]
    assert fresh.raw.startswith(b"id: 00000003\nevent: job_completed\ndata: {")
    assert over.raw == b""
    assert len(bench.services.subscriptions) == 0


async def test_a_peer_that_does_not_read_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_connection, "SEND_SECONDS", 0.01)
    socket = await registered(bench)

    async def stuck(message: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.workers.attached[0]._connection, "_send", stuck)
    bench.workers.attached[0].drain(None)

    await socket.task
    assert (bench.workers.attached, bench.workers.removed) == ([], [])


async def test_unread_messages_beyond_the_bound_close_with_1013(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await registered(bench)
    monkeypatch.setattr(socket_connection, "ROOM_BYTES", 50)
    monkeypatch.setattr(socket_connection, "MOST_UNSENT_BYTES", 100)

    for _ in range(3):
        bench.workers.attached[0].cancel("j", 1, "x" * 60)

    assert (await socket.frame())["type"] == "cancel_job"
    assert (await socket.message())["code"] == 1013
    await socket.task


async def test_later_messages_share_a_frame_only_with_a_peer_that_sends_batches(
    bench: Bench,
) -> None:
    socket = await registered(bench)
    link = bench.workers.attached[0]

    link.cancel("a", 1, "x"), link.cancel("b", 1, "x")
    singles = [(await socket.frame())["job_id"], (await socket.frame())["job_id"]]
    socket.send([{"type": "worker_heartbeat", "current_jobs": []}])
    await socket.frame()
    link.cancel("a", 1, "x"), link.cancel("b", 1, "x")

    assert singles == ["a", "b"]
    assert [message["job_id"] for message in await socket.frame()] == ["a", "b"]
    await socket.close(1006)


async def test_a_stopping_hub_answers_the_calls_that_wait(bench: Bench) -> None:
    claim = asyncio.ensure_future(call(bench.app, "POST", "/api/workers/w/claim?wait_ms=60000"))
    await bench.workers.waiting.wait()

    await bench.app.stop()
    await bench.app.idle()

    answer = await claim
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert bench.workers.given_up.is_set()
