"""The bare calls that benchmarks stand beside still mean what the scripts take."""

from __future__ import annotations

from bench import rig, test_claims

from empq.store.keys import key
from empq.store.store import Store


async def test_bare_calls_submit_claim_and_complete(store: Store) -> None:
    await rig.submit_bare(store, 300)
    await rig.drain_bare(store, 300)

    assert await store.command("HGET", key("totals"), "completed") == b"300"


async def test_bare_claims_take_all(store: Store) -> None:
    await rig.submit_bare(store, test_claims.JOBS)

    assert await test_claims.claim_bare(store) > 0
    assert await store.command("HGET", key("totals"), "completed") == b"%d" % test_claims.JOBS
