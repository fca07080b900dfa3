"""A worker registers, claims, runs and reports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from empq.connectors.base import JobFailed, JobInvalid, NoSettings, ServiceBusy, ServiceLost
from empq.connectors.simulation import SimulationConnector
from empq.worker.runtime import Worker
from empq.worker.services import Breaker
from tests.worker.scripted_hub import GatedConnector, ScriptedHub, backend, held, job, working


async def test_it_registers_with_what_file_connectors_and_machine_say(
    hub: ScriptedHub, worker: Worker
) -> None:
    request = await (await hub.connection()).registered()

    assert (request["worker_id"], request["protocol"], request["current_jobs"]) == ("w-1", 1, [])
    capabilities = request["capabilities"]
    assert capabilities["services"] == [
        {"name": "gated", "models": ["m"], "loaded": [], "healthy": True, "capacity": 2}
    ]
    assert capabilities["performance"] == {"concurrent_jobs": 2}
    assert capabilities["labels"] == {"a": 1}
    assert capabilities["hardware"]["cpu_cores"] >= 1


async def test_a_job_is_accepted_run_and_completed_with_its_token(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("j"))

    accepted = await talk.expect("job_accepted_by_worker")
    assert (accepted["job_id"], accepted["attempt"], accepted["lease"]) == ("j", 1, "lease-j")
    connector.finish(await connector.begun.get(), {"answer": [1]})
    done = await talk.expect("complete_job")
    assert (done["job_id"], done["attempt"], done["lease"]) == ("j", 1, "lease-j")
    assert done["result"] == {"answer": [1]}
    assert done["processing_ms"] >= 0


async def test_it_claims_for_the_free_slots_only(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    first = await talk.expect("claim_job")
    assert (first["max_jobs"], first["wait_ms"]) == (2, 30_000)
    await talk.send(
        {"type": "job_assigned", "assignment": job("j"), "reply_to": first["id"], "count": 1}
    )

    second = await talk.expect("claim_job")
    assert second["max_jobs"] == 1
    assert second["claim_id"] != first["claim_id"]
    await talk.send({"type": "no_job", "reply_to": second["id"]})
    third = await talk.expect("claim_job")
    assert third["max_jobs"] == 1


async def test_trivial_jobs_of_one_answer_come_back_in_one_frame_with_the_next_claim(
    hub: ScriptedHub,
) -> None:
    simulation = backend(SimulationConnector(NoSettings()), slots=64)
    async with working(Worker(hub.url, "w-1", [simulation])):
        talk = await hub.connection()
        await talk.registered()
        names = [f"j{n}" for n in range(64)]
        await talk.assign(*(job(name, payload={"steps": 0}) for name in names))

        reports = await talk.expect_reports(*names)

    frame = next(frame for frame in talk.frames if frame[0]["type"] == "complete_job")
    assert [message["type"] for message in frame] == ["complete_job"] * 64 + ["claim_job"]
    assert frame[-1]["max_jobs"] == 64
    assert {report["result"]["simulated"] for report in reports.values()} == {True}


async def test_progress_is_throttled_and_its_ends_are_not(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("j"))
    report = connector.reports[await connector.begun.get()]

    report(0)
    assert (await talk.expect("update_job_progress"))["progress"] == 0
    for percent in range(1, 100):
        report(percent, current_step=f"step {percent}")
    latest = await talk.expect("update_job_progress")
    assert (latest["progress"], latest["current_step"]) == (99, "step 99")
    report(100)
    assert (await talk.expect("update_job_progress"))["progress"] == 100


async def test_failures_say_whether_to_retry(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    cases: list[tuple[Exception, bool]] = [
        (JobInvalid("payload.x: wrong"), False),
        (JobFailed("once", details={"node": 3}), True),
        (JobFailed("never", retry=False), False),
        (ServiceLost("gone"), True),
        (ValueError("surprise"), True),
    ]
    for number, (error, retry) in enumerate(cases):
        await talk.assign(job(f"j{number}"))
        connector.finish(await connector.begun.get(), error)
        failed = await talk.expect("fail_job")
        assert (failed["job_id"], failed.get("retry", True)) == (f"j{number}", retry)
        assert str(error) in failed["error"]
        await talk.ack(failed)


async def test_a_cancelled_job_is_stopped_at_the_service_and_given_back(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"), job("b"))
    await connector.begun.get(), await connector.begun.get()

    await talk.send({"type": "cancel_job", "job_id": "a", "attempt": 1, "reason": "changed mind"})
    released = await talk.expect("release_job")
    assert (released["job_id"], released["lease"]) == ("a", "lease-a")
    assert released["reason"] == "changed mind"
    assert connector.cancelled == ["a"]
    talk.next_ack = {"cancel": [{"job_id": "b", "attempt": 1, "reason": "too"}]}
    worker.link.beat()
    assert (await talk.expect("release_job"))["job_id"] == "b"


async def test_a_stopped_run_ends_without_a_report(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    await connector.begun.get()

    talk.next_ack = {"stop": [{"job_id": "a", "attempt": 1}]}
    worker.link.beat()
    assert held(await talk.expect("worker_heartbeat")) == {("a", 1)}
    claim = await talk.expect("claim_job")
    await talk.send({"type": "no_job", "reply_to": claim["id"]})
    assert (await talk.expect("claim_job"))["max_jobs"] == 2
    assert connector.cancelled == ["a"]
    worker.link.beat()
    assert held(await talk.expect("worker_heartbeat")) == set()


async def test_a_stale_progress_ends_the_run(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    connector.reports[await connector.begun.get()](10)

    await talk.refuse(await talk.expect("update_job_progress"), "stale_attempt")
    await talk.expect("claim_job")
    while connector.cancelled != ["a"]:
        worker.link.beat()
        await talk.expect("worker_heartbeat")
    assert worker.runs == {}


async def test_a_result_that_the_hub_cannot_take_fails_the_job_for_good(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"), job("b"))
    await connector.begun.get(), await connector.begun.get()
    connector.finish("a", "x")
    await talk.refuse(await talk.expect("complete_job"), "too_large")
    failed = await talk.expect("fail_job")
    assert (failed["job_id"], failed["retry"]) == ("a", False)

    connector.finish("b", "x" * 1_048_577)
    failed = await talk.expect("fail_job")
    assert (failed["job_id"], failed["retry"]) == ("b", False)
    assert "1048579 bytes" in failed["error"]


async def test_a_broken_service_is_told_before_the_next_claim(
    hub: ScriptedHub, connector: GatedConnector
) -> None:
    breaker = Breaker(failures=2, open_seconds=600)
    async with working(Worker(hub.url, "w-1", [backend(connector, 1, breaker)])):
        talk = await hub.connection()
        await talk.registered()
        for name in ("a", "b"):
            await talk.assign(job(name))
            connector.finish(await connector.begun.get(), ServiceLost("CUDA error"))
            await talk.expect("fail_job")
        await talk.expect("claim_job")

    last = talk.frames[-1]
    assert [message["type"] for message in last] == ["worker_heartbeat", "fail_job", "claim_job"]
    status: dict[str, Any] = last[0]["connector_status"]["gated"]
    assert status == {"status": "unhealthy", "detail": "2 failures in a row"}


async def test_a_job_that_a_busy_service_has_not_begun_is_given_back(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a"))
    connector.finish(await connector.begun.get(), ServiceBusy("connection refused"))

    released = await talk.expect("release_job")
    assert (released["job_id"], released["reason"]) == ("a", "connection refused")
    status = (await talk.expect("worker_heartbeat"))["connector_status"]["gated"]
    assert status == {"status": "unhealthy", "detail": "connection refused"}


async def test_a_service_that_does_not_answer_is_logged_once_and_its_return_too(
    connector: GatedConnector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "empq.worker.services")
    watched = backend(connector)

    async def refuse() -> None:
        raise ServiceLost("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr(connector, "check", refuse)
        await watched.check()
        await watched.check()
    await watched.check()
    await watched.check()

    assert [record.getMessage() for record in caplog.records] == [
        "service_unwell service=gated problem=connection refused",
        "service_well service=gated",
    ]


async def test_a_busy_connector_hands_on_to_the_next_of_its_service(hub: ScriptedHub) -> None:
    first, second = GatedConnector(), GatedConnector()
    async with working(Worker(hub.url, "w-1", [backend(first, 1), backend(second, 1)])):
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a"))
        first.finish(await first.begun.get(), ServiceBusy("full"))
        second.finish(await second.begun.get(), 2)
        assert (await talk.expect("complete_job"))["result"] == 2


async def test_a_job_for_a_service_that_is_not_here_goes_elsewhere(
    hub: ScriptedHub, worker: Worker
) -> None:
    talk = await hub.connection()
    await talk.registered()
    await talk.assign(job("a", requirements={"service_type": "other"}))

    failed = await talk.expect("fail_job")
    assert failed["error"] == "no connector for 'other' here"


async def test_a_run_that_takes_too_long_fails(hub: ScriptedHub, connector: GatedConnector) -> None:
    limited = backend(connector)
    limited.timeout_seconds = 0.01
    async with working(Worker(hub.url, "w-1", [limited])):
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a"))

        failed = await talk.expect("fail_job")
    assert "run_timeout" in failed["error"]
    assert connector.cancelled == ["a"]


async def test_unknown_messages_and_fields_are_passed_over(
    hub: ScriptedHub, worker: Worker, connector: GatedConnector
) -> None:
    talk = await hub.connection()
    await talk.registered(novelty=1)
    await talk.send([{"type": "novelty"}, {"no": "type"}])
    await talk.send("neither")
    await talk.assign(job("a", novelty=[]))
    assert await asyncio.wait_for(connector.begun.get(), None) == "a"
