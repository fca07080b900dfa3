"""`empq-worker` as a process: signals and exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from tests.worker.scripted_hub import ScriptedHub, job


@contextlib.asynccontextmanager
async def program(hub: ScriptedHub, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """empq-worker --simulate against the hub; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "empq.worker.main",
        "--simulate",
        "--id",
        "sim-1",
        *flags,
        env=dict(os.environ) | {"EMPQ_HUB": hub.url, "EMPQ_TOKEN": "secret"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_sigterm_finishes_what_runs_and_exits_with_0(hub: ScriptedHub) -> None:
    async with program(hub) as process:
        talk = await hub.connection()
        request = await talk.registered()
        assert talk.socket.request is not None
        assert talk.socket.request.headers["Authorization"] == "Bearer secret"
        services = {service["name"]: service for service in request["capabilities"]["services"]}
        assert list(services) == ["comfyui", "a1111", "simulation"]
        assert {service["models"] for service in services.values()} == {"all"}
        assert request["capabilities"]["hardware"]["gpu_memory_gb"] == 24
        assert request["capabilities"]["performance"]["concurrent_jobs"] == 2

        await talk.assign(job("a", payload={"steps": 3, "step_ms": 1, "other": True}))
        await talk.expect("update_job_progress")
        process.send_signal(signal.SIGTERM)
        done = await talk.expect("complete_job")
        await talk.ack(done)
        assert await process.wait() == 0
        await talk.closed.wait()
    assert done["result"] == {"steps": 3, "simulated": True}
    assert talk.socket.close_code == 1000


async def test_a_second_signal_gives_back_at_once(hub: ScriptedHub) -> None:
    async with program(hub) as process:
        talk = await hub.connection()
        await talk.registered()
        await talk.assign(job("a", payload={"steps": 1000, "step_ms": 60_000}))
        await talk.expect("update_job_progress")
        process.send_signal(signal.SIGINT)
        assert (await talk.expect("worker_heartbeat"))["status"] == "draining"
        process.send_signal(signal.SIGINT)
        await talk.ack(await talk.expect("release_job"))
        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("close", "status", "sentence"),
    [(4001, 4, "the token is not accepted"), (4009, 1, "another worker has registered")],
)
async def test_it_says_why_it_ends(
    hub: ScriptedHub, close: int, status: int, sentence: str
) -> None:
    async with program(hub) as process:
        talk = await hub.connection()
        await talk.registered()
        await talk.socket.close(close)
        _, errors = await process.communicate()
    assert process.returncode == status
    last = errors.decode().strip().splitlines()[-1]
    assert last.startswith("empq-worker: ")
    assert sentence in last
