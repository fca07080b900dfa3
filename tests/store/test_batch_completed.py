"""A batch that met an outage half-way: the same key completes it, each job once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from empq.errors import StorageFull
from empq.messages.rest import JobRequest, Submitted
from empq.queue.submission import IdempotencyKey, Submissions
from empq.settings import Settings
from empq.store.store import Store
from tests.support import jobs


def request(**fields: Any) -> JobRequest:
    return JobRequest(type="t", payload=msgspec.Raw(b"1"), **fields)


async def test_later_items_find_what_the_first_call_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submissions = Submissions(store, await store.reread_dataset(), Settings())
    batch = [request(ref=str(number)) for number in range(256)] + [request(depends_on=["#0"])]
    key = IdempotencyKey("scope", "key", b"body")
    run = store.calls.run

    async def until_full(name: str, args: Any, texts: Any = ()) -> Any:
        if name == "submit_jobs" and len(args[0]) == 1:
            raise StorageFull("full")
        return await run(name, args, texts)

    monkeypatch.setattr(store.calls, "run", until_full)
    with pytest.raises(StorageFull):
        await submissions.submit_batch(batch, False, key)
    monkeypatch.setattr(store.calls, "run", run)
    answers, replayed = await submissions.submit_batch(batch, False, key)

    ids = [answer.id for answer in answers if isinstance(answer, Submitted)]
    assert len(set(ids)) == 257
    assert not replayed
    assert await store.command("ZCARD", "empq:{p0}:created") == 257
    assert (await jobs.record(store, ids[-1])).waiting == 1
    assert await store.command("SMEMBERS", f"empq:{{p0}}:dependants:{ids[0]}") == [ids[-1].encode()]
    assert await submissions.submit_batch(batch, False, key) == (answers, True)
