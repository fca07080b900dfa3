"""Callers that go, and listeners that do not listen, cost nobody else anything."""

from __future__ import annotations

import asyncio

import pytest

from empq.broker.broker import Broker
from empq.broker.index_keeper import IndexKeeper
from empq.matching.implementation import make_matcher
from empq.model.capabilities import decode_capabilities
from empq.model.event import JobEvent
from empq.notify.subscriptions import MOST_WAITING, EventFilters, Overflow, Subscriptions
from empq.store.store import Store
from tests.support import jobs


def event(kind: str, job_id: str) -> JobEvent:
    return JobEvent(
        type=kind,
        event_id="1",
        job_id=job_id,
        status="in_progress",
        attempt=1,
        at=1,
        worker_id="w",
        customer_id="c",
        job_type="t",
        workflow_id="",
        priority=50,
    )


async def test_a_full_mailbox_takes_no_more_and_breaks_nothing() -> None:
    mailbox = Subscriptions().open(EventFilters())
    for number in range(MOST_WAITING):
        mailbox.put(event("job_started", f"j{number}"))

    for _ in range(3):
        mailbox.put(event("job_update", "j0"))

    with pytest.raises(Overflow):
        await mailbox.next()


async def test_a_claim_that_goes_in_the_tick_of_its_offer_gives_the_job_back(store: Store) -> None:
    keeper = IndexKeeper(store, lambda: make_matcher("python"))
    broker = Broker(store, keeper)
    store.calls.on_entry, keeper.on_grown = keeper.apply_reply, broker.lanes_grew
    offers = {"services": [{"name": "comfyui", "models": "all"}]}
    keeper.know_worker("w1", 1, decode_capabilities(offers).document())
    keeper.know_shape(jobs.BASE, b"{}")
    await jobs.register(store)
    claim = asyncio.create_task(broker.claim("w1", None, 1, 60_000, None))
    offer = broker._offer_due  # pyright: ignore[reportPrivateUsage]

    def offer_and_hang_up() -> None:
        offer()
        claim.cancel()

    async with asyncio.timeout(30):
        while not broker.waiting:
            await store.command("PING")
        broker._offer_due = offer_and_hang_up  # pyright: ignore[reportPrivateUsage]
        await jobs.submit(store, "j")
        with pytest.raises(asyncio.CancelledError):
            await claim
        while (await jobs.record(store, "j")).releases == 0:
            pass

    assert (await jobs.record(store, "j")).state == "queued"
