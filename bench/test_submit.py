"""Submissions: one by one over 64 connections, and 1,000 a call; CPU per job of each process."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import Any

import pytest

from bench.rig import Rig, cpu_seconds, job_body, spread, submit_bare
from empq.store.store import Store
from tests.support.processes import KEY

SECONDS, BULK = 4, 20_000
SCRIPT = """wrk.method = "{method}"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{body}]]
"""


def wrk(rig: Rig, method: str, path: str, body: str) -> tuple[float, float]:
    """Requests a second, and the p99 in ms, of 64 connections."""
    file = rig.folder / "load.lua"
    file.write_text(SCRIPT.format(method=method, key=KEY, body=body))
    command = (
        "wrk",
        "-t1",
        "-c64",
        f"-d{SECONDS}s",
        "--latency",
        "-s",
        str(file),
        rig.hub.url + path,
    )
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, p99 = (
        re.search(r"Requests/sec:\s+([\d.]+)", text),
        re.search(r"99%\s+([\d.]+)(us|ms|s)", text),
    )
    assert rate and p99 and "Non-2xx" not in text, text
    return float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk on PATH (Debian package wrk)")
def test_post_one_by_one(
    rig: Rig, benchmark: Any, rounds: int, figures: list[tuple[str, str]]
) -> None:
    rates, p99s, shares, cpu = [], [], [], []

    def one_round() -> None:
        bare, _ = wrk(rig, "GET", "/livez", "")
        spent = [cpu_seconds(rig.hub), cpu_seconds(rig.server.pid)]
        rate, p99 = wrk(rig, "POST", "/api/jobs", job_body("posts").decode())
        now = [cpu_seconds(rig.hub), cpu_seconds(rig.server.pid)]
        rates.append(rate)
        p99s.append(p99)
        shares.append(rate / bare)
        cpu.append([1e6 * (b - a) / (rate * SECONDS) for a, b in zip(spent, now, strict=True)])

    benchmark.pedantic(one_round, rounds=rounds)
    figures.append(("POST /api/jobs, 64 connections (wrk)", spread(rates, "jobs/s")))
    figures.append(("  its p99", spread(p99s, "ms", 1)))
    figures.append(("  share of GET /livez under the same load", spread(shares, "", 2)))
    for name, column in zip(("hub", "Redis"), zip(*cpu, strict=True), strict=True):
        figures.append((f"  CPU of {name}", spread(column, "us a job", 1)))
    assert len(rates) == rounds


def test_post_in_bulk(
    rig: Rig, benchmark: Any, rounds: int, figures: list[tuple[str, str]]
) -> None:
    rates, shares, cpu = [], [], []

    async def bare_work(store: Store) -> None:
        begun = time.perf_counter()
        await submit_bare(store, BULK)
        shares.append(rates[-1] / (BULK / (time.perf_counter() - begun)))

    def one_round() -> None:
        spent = [cpu_seconds(rig.hub), cpu_seconds(rig.server.pid)]
        begun = time.perf_counter()
        rig.submit(BULK, "bulk")
        rates.append(BULK / (time.perf_counter() - begun))
        now = [cpu_seconds(rig.hub), cpu_seconds(rig.server.pid)]
        cpu.append([1e6 * (b - a) / BULK for a, b in zip(spent, now, strict=True)])
        rig.bare(bare_work)

    benchmark.pedantic(one_round, rounds=rounds)
    figures.append(("POST /api/jobs/batch, 1,000 a call, one in flight", spread(rates, "jobs/s")))
    figures.append(("  share of the bare submit script, 256 a call", spread(shares, "", 2)))
    for name, column in zip(("hub", "Redis"), zip(*cpu, strict=True), strict=True):
        figures.append((f"  CPU of {name}", spread(column, "us a job", 1)))
    assert len(rates) == rounds
