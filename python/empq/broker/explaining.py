"""Why a job waits: verdicts of the matcher, put into words with what was sent."""

from __future__ import annotations

from typing import Any

import msgspec

from empq.broker.facts import quotas, worker_facts
from empq.broker.index_keeper import IndexKeeper
from empq.errors import NotFound, WrongState
from empq.matching.explanation import explanation
from empq.matching.interface import Verdict
from empq.matching.worker_explanation import worker_explanation
from empq.model.envelope import open_envelope
from empq.model.lifecycle import WAITING
from empq.model.requirements import decode_requirements
from empq.model.shape import split_lane_id
from empq.store.keys import key
from empq.store.record import decode_job
from empq.store.store import Store


class Explaining:
    """Costs nothing while nobody asks."""

    def __init__(self, store: Store, keeper: IndexKeeper) -> None:
        self._store, self._keeper = store, keeper

    async def explain(self, job_id: str, limit: int = 1000) -> dict[str, Any]:
        """GET /api/jobs/{id}/explain. Raises NotFound, WrongState unless the job waits."""
        packed, envelope = await self._store.command(
            "MGET", key("job", job_id), key("envelope", job_id)
        )
        if not packed or not envelope:
            raise NotFound(f"no job {job_id}")
        record = decode_job(packed)
        if record.state not in WAITING:
            raise WrongState(
                f"job {job_id} is {record.state}; only pending and queued jobs can be explained"
            )
        head = open_envelope(envelope).head
        sent: dict[str, Any] = msgspec.json.decode(head.requirements) or {}
        stated = _stated_timeout(sent, head.timeout_seconds, record.shape, record.type)
        avoided = [worker_id for worker_id, _ in record.avoided]
        return await self._explain(sent, record.type, record.customer, avoided, stated, limit)

    async def match(
        self,
        requirements: dict[str, Any],
        job_type: str | None,
        customer_id: str | None,
        limit: int = 1000,
    ) -> dict[str, Any]:
        """POST /api/match: the same for requirements that no job has. Nothing is stored."""
        decode_requirements(requirements)
        return await self._explain(requirements, job_type, customer_id or "", [], None, limit)

    async def _explain(
        self,
        sent: dict[str, Any],
        job_type: str | None,
        customer: str,
        avoided: list[str],
        timeout_seconds: float | None,
        limit: int,
    ) -> dict[str, Any]:
        def judge(requirements: dict[str, Any]) -> list[Verdict]:
            document = decode_requirements(requirements).document(job_type, timeout_seconds)
            return self._keeper.matcher.explain(document, customer, avoided)

        verdicts = judge(sent)
        facts = await worker_facts(self._store, [verdict.worker_id for verdict in verdicts])
        return explanation(
            verdicts,
            sent,
            facts,
            judge,
            timeout_seconds=timeout_seconds,
            job_type=job_type,
            customer=customer,
            quota=(await quotas(self._store, [customer])).get(customer),
            limit=limit,
        )

    async def worker(self, worker_id: str, limit: int = 1000) -> dict[str, Any]:
        """GET /api/workers/{id}/explain: which queued shapes it may take, and what keeps it from the others."""
        facts = await worker_facts(self._store, [worker_id])
        if worker_id not in facts:
            raise NotFound(f"no worker {worker_id}")
        rows = self._keeper.matcher.explain_worker(worker_id)
        lanes = [split_lane_id(lane) for lane, *_ in rows]
        documents = await self._store.shapes(sorted({base for base, *_ in lanes}))
        known = await quotas(self._store, sorted({customer for *_, customer in lanes}))
        return worker_explanation(worker_id, rows, documents, facts[worker_id], known, limit)


def _stated_timeout(sent: dict[str, Any], seconds: float, base: str, job_type: str) -> float | None:
    """The envelope holds the timeout in force; the shape tells whether the job stated it."""
    requirements = decode_requirements(sent)
    return None if requirements.canonical(job_type, None).base == base else seconds
