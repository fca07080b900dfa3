"""A service that only pretends: steps that take time, progress, failures and artifacts on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from empq.connectors.base import (
    Connector,
    Job,
    JobFailed,
    Models,
    NoSettings,
    Report,
    Result,
    Source,
)

CHUNK = 65_536


class SimulationPayload(msgspec.Struct):
    """Every field is optional and others are ignored, so that a job of any type can be simulated."""

    steps: Annotated[int, Meta(ge=0, le=1_000_000)] = 5
    step_ms: Annotated[float, Meta(ge=0, le=86_400_000)] = 100
    fail_at: Annotated[int, Meta(ge=0)] | None = None
    error: str | None = None
    retry: bool = True
    artifact_bytes: Annotated[int, Meta(ge=0, le=2**31)] | None = None


DEFAULT = SimulationPayload()


class SimulationConnector(Connector[NoSettings]):
    """Counts through `steps`, each of `step_ms`; fails at step `fail_at` with `error`."""

    service = "simulation"

    async def run(self, job: Job, report: Report) -> Result:
        """Ends without ever waiting where there is nothing to wait for."""
        payload = job.read(SimulationPayload) if bytes(job.payload)[:1] == b"{" else DEFAULT
        pause = payload.step_ms / 1000
        for step in range(payload.steps):
            self._fail_at(step, payload)
            report(100 * step / payload.steps, current_step=f"step {step + 1} of {payload.steps}")
            await asyncio.sleep(pause)
        self._fail_at(payload.steps, payload)
        if payload.steps:
            report(100, current_step=f"step {payload.steps} of {payload.steps}")
        if payload.artifact_bytes is not None:
            await report.upload(
                "artifact.bin", pattern(payload.artifact_bytes), "application/octet-stream"
            )
        value: dict[str, Any] = {"steps": payload.steps, "simulated": True}
        return Result(value)

    async def models(self) -> Models:
        """Whatever is asked for."""
        return Models(available="all")

    def _fail_at(self, step: int, payload: SimulationPayload) -> None:
        if payload.fail_at == step:
            raise JobFailed(
                payload.error or f"simulated failure at step {step}", retry=payload.retry
            )


def pattern(size: int) -> Source:
    """`size` bytes that are the same each time."""

    async def stream() -> AsyncIterator[bytes]:
        block = bytes(range(256)) * (CHUNK // 256)
        for start in range(0, size, CHUNK):
            yield block[: min(CHUNK, size - start)]

    return stream
