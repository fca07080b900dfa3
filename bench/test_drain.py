"""Draining no-op jobs with the shipped worker: rate, share of the bare scripts, CPU per job of each process."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bench.rig import Rig, cpu_seconds, drain_bare, spread, submit_bare
from empq.store.store import Store
from tests.support.processes import Worker

JOBS, SLOTS = 20_000, 64


@pytest.mark.parametrize("processes", [1, 2])
def test_drain(
    rig: Rig, benchmark: Any, rounds: int, processes: int, figures: list[tuple[str, str]]
) -> None:
    redis = rig.server.pid
    rates, shares, cpu = [], [], []

    async def bare_work(store: Store) -> None:
        await submit_bare(store, JOBS)
        begun = time.perf_counter()
        await drain_bare(store, JOBS)
        shares.append(rates[-1] / (JOBS / (time.perf_counter() - begun)))

    def one_round() -> None:
        service = f"drain{processes}-{len(rates)}"
        before = rig.completed()
        rig.submit(JOBS, service)
        workers = [
            Worker(rig.hub, f"{service}-{number}", rig.folder, service, SLOTS)
            for number in range(processes)
        ]
        for worker in workers:
            worker.start()
        # The clock begins when work flows: the start of a Python process is not what is measured.
        rig.until_completed(before + 1)
        spent = [cpu_seconds(rig.hub), cpu_seconds(redis), sum(map(cpu_seconds, workers))]
        begun, done = time.perf_counter(), rig.completed() - before
        rig.until_completed(before + JOBS)
        left = JOBS - done
        rates.append(left / (time.perf_counter() - begun))
        now = [cpu_seconds(rig.hub), cpu_seconds(redis), sum(map(cpu_seconds, workers))]
        cpu.append([1e6 * (b - a) / left for a, b in zip(spent, now, strict=True)])
        for worker in workers:
            worker.stop()
        rig.bare(bare_work)

    benchmark.pedantic(one_round, rounds=rounds)
    title = f"drain of 20,000 no-op jobs, {processes} worker process(es) of 64 slots"
    figures.append((title, spread(rates, "jobs/s")))
    figures.append(("  share of bare claim and complete, 64 a call", spread(shares, "", 2)))
    for name, column in zip(("hub", "Redis", "worker(s)"), zip(*cpu, strict=True), strict=True):
        figures.append((f"  CPU of {name}", spread(column, "us a job", 1)))
    assert len(rates) == rounds
