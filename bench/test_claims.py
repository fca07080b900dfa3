"""Claims of one lane over WebSocket in batches, beside the bare claim script on the same server in the same run."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench.rig import BASE, Rig, spread, submit_bare
from empq.store.store import Store
from tests.support.sockets import Socket

JOBS, BATCH = 10_000, 64


def claim_all(worker: Socket) -> float:
    """Seconds from a claim's message to its last assignment, BATCH jobs a claim; completes are not counted."""
    seconds, done = 0.0, 0
    claim = json.dumps({"type": "claim_job", "id": "c", "max_jobs": BATCH, "wait_ms": 1000})
    while done < JOBS:
        begun = time.perf_counter()
        worker.send_text(claim)
        jobs: list[dict[str, Any]] = []
        wanted = 1
        while len(jobs) < wanted:
            frame = worker.frame()
            for message in frame if isinstance(frame, list) else [frame]:
                wanted = message["count"]
                jobs.append(message["assignment"])
        seconds += time.perf_counter() - begun
        complete_all(worker, jobs)
        done += len(jobs)
    return seconds


def complete_all(worker: Socket, jobs: list[dict[str, Any]]) -> None:
    """Hands in a result for each, in one frame, and waits for the answers."""
    reports = [
        {"type": "complete_job", "result": 1}
        | {name: job[name] for name in ("job_id", "attempt", "lease")}
        for job in jobs
    ]
    worker.send_text(json.dumps(reports))
    answered = 0
    while answered < len(jobs):
        frame = worker.frame()
        answered += len(frame) if isinstance(frame, list) else 1


async def claim_bare(store: Store) -> float:
    """Seconds in claims; the completes between them, which keep the worker's slots free, are not counted."""
    await store.calls.run("register_worker", ["w", "s", 4 * BATCH, [], 0, "{}", []])
    seconds, done = 0.0, 0
    while done < JOBS:
        begun = time.perf_counter()
        given = (
            await store.claim.add(["w", "", 1, BATCH, "", f"seed{done}", [BASE + ":"], [], 2**53])
        )[1]
        seconds += time.perf_counter() - begun
        items = [
            [job_id, "w", attempt, lease, "digest", []] for job_id, attempt, lease, *_ in given
        ]
        await asyncio.gather(*(store.complete.add(item, b"1") for item in items))
        done += len(given)
    return seconds


def test_claims_over_a_socket(
    rig: Rig, benchmark: Any, rounds: int, figures: list[tuple[str, str]]
) -> None:
    ours: list[float] = []
    bare: list[float] = []

    async def bare_work(store: Store) -> None:
        await submit_bare(store, JOBS)
        bare.append(JOBS / await claim_bare(store))

    def one_round() -> None:
        rig.submit(JOBS, "claims")
        ours.append(JOBS / claim_all(worker))
        rig.bare(bare_work)

    with rig.hub.socket("/ws/worker") as worker:
        capabilities = {
            "services": [{"name": "claims", "models": "all"}],
            "performance": {"concurrent_jobs": 4 * BATCH},
        }
        worker.ask(
            "register_worker",
            "worker_registered",
            worker_id="claims",
            capabilities=capabilities,
            protocol=1,
        )
        benchmark.pedantic(one_round, rounds=rounds)
    shares = [a / b for a, b in zip(ours, bare, strict=True)]
    figures.append(("claims of one lane over /ws/worker, 64 a message", spread(ours, "jobs/s")))
    figures.append(("  the bare claim script, 64 a call", spread(bare, "jobs/s")))
    figures.append(("  share", spread(shares, "", 2)))
    assert len(shares) == rounds
