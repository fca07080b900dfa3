"""What a worker does when the connection, the hub or its own process does not behave."""

from __future__ import annotations

import asyncio

import pytest

from empq.worker import hub_link
from empq.worker.exits import NotAllowed, RegistrationRefused, Replaced
from empq.worker.runtime import Worker
from tests.worker.scripted_hub import GatedConnector, ScriptedHub, backend, held, job, working


async def test_a_finished_result_is_sent_again_until_it_is_acknowledged(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("done"), job("runs"))
    await connector.begun.get(), await connector.begun.get()
    connector.finish("done", 7)
    await talk.expect("complete_job")
    worker.link.beat()
    assert held(await talk.expect("worker_heartbeat")) == {("done", 1), ("runs", 1)}
    talk.cut()

    talk = await hub.connection()
    request = await talk.registered(keep=["done", "runs"])
    assert request["session"] == "s-1"
    assert held(request) == {("done", 1), ("runs", 1)}
    again = await talk.expect("complete_job")
    assert (again["job_id"], again["result"], again["lease"]) == ("done", 7, "lease-done")
    assert (await talk.expect("job_accepted_by_worker"))["job_id"] == "runs"
    await talk.ack(again)
    worker.link.beat()
    while held(await talk.expect("worker_heartbeat")) != {("runs", 1)}:
        worker.link.beat()


async def test_a_stale_result_is_dropped(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    connector.finish(await connector.begun.get())
    await talk.refuse(await talk.expect("complete_job"), "stale_attempt")
    talk.cut()

    talk = await hub.connection()
    request = await talk.registered()
    assert held(request) == set()


async def test_a_claim_without_an_answer_is_asked_again_by_its_id(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    first = await talk.expect("claim_job")
    talk.cut()

    talk = await hub.connection()
    await talk.registered()
    again = await talk.expect("claim_job")
    assert again["claim_id"] == first["claim_id"]


async def test_a_job_that_comes_twice_runs_once(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    await talk.assign(job("a"), job("b"))
    assert [await connector.begun.get(), await connector.begun.get()] == ["a", "b"]
    assert connector.begun.empty()


async def test_runs_that_the_hub_no_longer_knows_are_stopped_at_registration(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"), job("b"))
    await connector.begun.get(), await connector.begun.get()
    connector.finish("b")
    await talk.expect("complete_job")
    talk.cut()

    talk = await hub.connection()
    await talk.registered(stop=["a", "b"])
    assert (await talk.expect("complete_job"))["job_id"] == "b"
    await talk.expect("claim_job")
    worker.link.beat()
    while held(await talk.expect("worker_heartbeat")) != {("b", 1)}:
        worker.link.beat()
    assert connector.cancelled == ["a"]


async def test_a_hub_that_does_not_know_the_worker_is_registered_with_again(
    hub: ScriptedHub, worker: Worker
) -> None:
    talk = await hub.connection()
    await talk.registered()
    worker.link.beat()
    await talk.refuse(await talk.expect("worker_heartbeat"), "not_found")

    talk = await hub.connection()
    assert (await talk.registered())["session"] == "s-1"


async def test_a_hub_that_has_gone_silent_is_left_without_a_close_frame(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    hub.answers_heartbeats = False
    silent = await hub.connection()
    await silent.registered(lease_ms=60, heartbeat_ms=20)

    talk = await hub.connection()
    await talk.registered()
    await silent.closed.wait()
    assert silent.socket.close_code == 1006


async def test_a_process_that_was_frozen_registers_before_it_sends_anything(
    hub: ScriptedHub,
    worker: Worker,
    connector: GatedConnector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = await hub.connection()
    await frozen.registered()
    await frozen.assign(job("a"))
    await frozen.expect("job_accepted_by_worker")
    sent = len(frozen.frames)
    present = hub_link.now
    monkeypatch.setattr(hub_link, "now", lambda: present() + 61)
    connector.finish(await connector.begun.get())

    talk = await hub.connection()
    assert held(await talk.registered(keep=["a"])) == {("a", 1)}
    assert (await talk.expect("complete_job"))["job_id"] == "a"
    assert len(frozen.frames) == sent


async def test_a_hub_that_restarts_says_when_to_come_back(hub: ScriptedHub, worker: Worker) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.send({"type": "server_disconnect", "reason": "restart", "reconnect_after_ms": 5})
    await talk.socket.close(1012)
    talk = await hub.connection()
    assert (await talk.registered())["worker_id"] == "w-1"


async def test_drain_finishes_what_runs_takes_nothing_new_and_closes_cleanly(
    hub: ScriptedHub, connector: GatedConnector
) -> None:
    worker = Worker(hub.url, "w-1", [backend(connector)])
    async with working(worker) as running:
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a"))
        await connector.begun.get()
        claim = await talk.expect("claim_job")
        worker.drain()
        late = {"type": "job_assigned", "assignment": job("late"), "reply_to": claim["id"]}
        await talk.send(late)
        assert (await talk.expect("release_job"))["job_id"] == "late"
        assert (await talk.expect("worker_heartbeat"))["status"] == "draining"
        connector.finish("a")
        await talk.ack(await talk.expect("complete_job"))
        await talk.send({"type": "ack", "reply_to": "r:late:1"})
        await running
        await talk.closed.wait()
    assert talk.socket.close_code == 1000


async def test_after_the_grace_and_at_the_second_signal_runs_are_given_back(
    hub: ScriptedHub, connector: GatedConnector
) -> None:
    worker = Worker(hub.url, "w-1", [backend(connector)], grace_seconds=3600)
    async with working(worker) as running:
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a"))
        await connector.begun.get()
        worker.drain()
        worker.drain()
        released = await talk.expect("release_job")
        await talk.ack(released)
        await running
    assert (released["job_id"], connector.cancelled) == ("a", ["a"])


async def test_the_hubs_drain_gives_runs_back_at_its_deadline(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    await connector.begun.get()
    talk.next_ack = {"drain": True}
    await talk.send({"type": "drain", "deadline_seconds": 0})
    await talk.ack(await talk.expect("release_job"))
    claim = await talk.expect("claim_job")
    await talk.send({"type": "no_job", "reply_to": claim["id"]})
    worker.link.beat()
    await talk.expect("worker_heartbeat")
    before = len(talk.frames)

    talk.next_ack = {}
    worker.link.beat()
    assert (await talk.expect("claim_job"))["max_jobs"] == 2
    assert "claim_job" not in {m["type"] for m in talk.frames[before - 1]}


@pytest.mark.parametrize(
    ("code", "error"), [(4009, Replaced), (4001, NotAllowed)], ids=["replaced", "not allowed"]
)
async def test_some_closes_end_the_process(
    hub: ScriptedHub, connector: GatedConnector, code: int, error: type[Exception]
) -> None:
    async with working(Worker(hub.url, "w-1", [backend(connector)])) as running:
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a"))
        await connector.begun.get()
        await talk.socket.close(code)
        with pytest.raises(error):
            await running
    assert connector.cancelled == ["a"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("unauthenticated", NotAllowed),
        ("forbidden", NotAllowed),
        ("invalid_field", RegistrationRefused),
        ("worker_replaced", Replaced),
    ],
)
async def test_a_refused_registration_ends_the_process(
    hub: ScriptedHub, connector: GatedConnector, code: str, error: type[Exception]
) -> None:
    async with working(Worker(hub.url, "w-1", [backend(connector)])) as running:
        talk = await hub.connection()
        await talk.send({"type": "error", "error_code": code, "error": "because of x"})
        with pytest.raises(error, match="because of x"):
            await running


async def test_a_hub_that_is_not_ready_is_asked_again(hub: ScriptedHub, worker: Worker) -> None:
    talk = await hub.connection()
    await talk.send({"type": "error", "error_code": "not_ready", "error": "starting"})
    talk = await hub.connection()
    await talk.registered()
    assert (await talk.expect("claim_job"))["max_jobs"] == 2


async def test_without_a_hub_a_drain_ends_at_once(connector: GatedConnector) -> None:
    worker = Worker("http://127.0.0.1:9", "w-1", [backend(connector)])
    running = asyncio.create_task(worker.run())
    worker.drain()
    await running
    assert not worker.link.is_registered
