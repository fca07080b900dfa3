"""What words about a verdict are made of: workers' capabilities as sent, customers' quotas."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from empq.matching.paths import Quota, WorkerFacts
from empq.store.store import Store

PAGE = 200


async def worker_facts(store: Store, worker_ids: Sequence[str]) -> dict[str, WorkerFacts]:
    """By id; a page at a time, so that nobody waits long behind a large fleet. Unknown ones are left out."""
    facts: dict[str, WorkerFacts] = {}
    for start in range(0, len(worker_ids), PAGE):
        page = worker_ids[start : start + PAGE]
        for worker_id, (record, sent, _) in zip(page, await store.workers(page), strict=True):
            if record is not None and sent is not None:
                held = [(job.customer, job.service, job.strict) for job in record.held]
                facts[worker_id] = WorkerFacts(msgspec.json.decode(sent), held)
    return facts


async def quotas(store: Store, customers: Sequence[str]) -> dict[str, Quota]:
    """Of those customers that have one."""
    records = await store.customers(customers)
    return {
        name: Quota(record.active, record.max_active)
        for name, record in zip(customers, records, strict=True)
        if record.max_active >= 0
    }
