"""Workflows: the jobs that one customer gave one workflow_id."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

from empq.errors import NotFound, WrongState
from empq.model.lifecycle import ENDED
from empq.model.times import rfc3339
from empq.queue.transitions import Transitions
from empq.store.keys import key, workflow_id
from empq.store.record import JobRecord
from empq.store.store import Store


class Workflows:
    """Reads and cancels workflows."""

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store, self._transitions = store, transitions

    async def view(self, workflow: str, customer: str) -> dict[str, Any]:
        """{workflow_id, jobs: {status: count}, ended_at}. Raises NotFound."""
        jobs = await self._jobs(workflow, customer)
        ended = await self._store.command(
            "HGET", key("workflow", workflow_id(customer, workflow)), "ended_at"
        )
        return {
            "workflow_id": workflow,
            "jobs": dict(Counter(record.state for record in jobs.values())),
            "ended_at": rfc3339(int(ended or 0)),
        }

    async def cancel(self, workflow: str, customer: str, reason: str | None) -> dict[str, Any]:
        """Cancels every job that has not ended; the view afterwards."""
        jobs = await self._jobs(workflow, customer)
        open_jobs = [job_id for job_id, record in jobs.items() if record.state not in ENDED]
        await asyncio.gather(*(self._cancel_one(job_id, reason) for job_id in open_jobs))
        return await self.view(workflow, customer)

    async def _cancel_one(self, job_id: str, reason: str | None) -> None:
        with contextlib.suppress(NotFound, WrongState):  # it ended meanwhile
            await self._transitions.cancel(job_id, reason or "workflow cancelled")

    async def _jobs(self, workflow: str, customer: str) -> dict[str, JobRecord]:
        members = await self._store.command(
            "SMEMBERS", key("workflow_jobs", workflow_id(customer, workflow))
        )
        ids = [member.decode() for member in members]
        if not ids:
            raise NotFound(f"no workflow {workflow} of this customer")
        records = await self._store.jobs(ids)
        return {job_id: record for job_id, record in zip(ids, records, strict=True) if record}
