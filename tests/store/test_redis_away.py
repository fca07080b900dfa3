"""The connection to Redis breaks and comes back; calls fail clearly, nothing is sent twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from empq.errors import StartRefused, Unavailable
from empq.settings import Settings
from empq.store.store import Store
from tests.support import jobs
from tests.support.redis_server import RedisServer


@pytest.fixture
async def own_server() -> AsyncIterator[RedisServer]:
    # everysec may put a write off while a sync is under way, and a kill then loses it
    server = RedisServer("--appendfsync", "always").start()
    yield server
    server.stop()


async def test_calls_in_flight_fail_and_work_goes_on_after_a_restart(
    own_server: RedisServer,
) -> None:
    store = Store(Settings(redis_url=own_server.url))
    await store.open()
    await jobs.submit(store, "a")
    own_server.signal(signal.SIGSTOP)
    in_flight = asyncio.ensure_future(store.cancel.add(["a", "why"]))
    await asyncio.sleep(0)

    own_server.kill()
    with pytest.raises(Unavailable):
        await in_flight
    with pytest.raises(Unavailable):
        await store.jobs(["a"])
    own_server.start()
    await asyncio.wait_for(store.round_trips.connected.wait(), 10)

    assert (await jobs.record(store, "a")).state in ("queued", "cancelled")
    await jobs.submit(store, "b")
    await store.close()


async def test_no_redis_is_a_sentence() -> None:
    store = Store(Settings(redis_url="unix:///nowhere/r.sock"))
    with pytest.raises(StartRefused, match=r"cannot reach Redis at unix:///nowhere/r\.sock"):
        await store.open()


async def test_a_server_that_evicts_is_refused() -> None:
    server = RedisServer("--maxmemory-policy", "allkeys-lru").start()
    try:
        with pytest.raises(StartRefused, match="maxmemory-policy noeviction"):
            await Store(Settings(redis_url=server.url)).open()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:1", "expected redis://"),
        ("redis://:p#a@127.0.0.1:1/0", "percent-encoded"),
        ("redis://:p/a@127.0.0.1:1/0", "percent-encoded"),
    ],
)
async def test_an_address_that_cannot_be_is_a_sentence_without_the_password(
    url: str, sentence: str
) -> None:
    with pytest.raises(StartRefused, match=sentence) as refused:
        await Store(Settings(redis_url=url)).open()
    assert "p#a" not in str(refused.value) and "p/a" not in str(refused.value)


async def test_a_password_with_reserved_characters_connects_encoded_and_never_shows(
    own_server: RedisServer,
) -> None:
    store = Store(Settings(redis_url=own_server.url))
    await store.open()
    await store.command("CONFIG", "SET", "requirepass", "p#a/s@s:w%20r?d&ü")
    await store.close()
    encoded = "p%23a%2Fs%40s%3Aw%2520r%3Fd%26%C3%BC"

    right = Store(Settings(redis_url=own_server.url.replace("unix://", f"unix://:{encoded}@")))
    await right.open()
    await right.close()
    with pytest.raises(StartRefused, match="refused the login") as refused:
        await Store(
            Settings(redis_url=own_server.url.replace("unix://", "unix://:wrong-secret@"))
        ).open()
    assert "wrong-secret" not in str(refused.value)


async def test_settings_that_live_with_the_data_are_held(own_server: RedisServer) -> None:
    first = Store(Settings(redis_url=own_server.url, lease_seconds=7))
    assert (await first.open()).lease_ms == 7000
    await first.close()

    silent = Store(Settings(redis_url=own_server.url))
    assert (await silent.open()).lease_ms == 7000
    await silent.close()
    other = Store(Settings(redis_url=own_server.url, lease_seconds=9))
    with pytest.raises(StartRefused, match="lease_seconds is 7 in the data and 9 was stated"):
        await other.open()
    await other.close()
    changed = Store(Settings(redis_url=own_server.url, lease_seconds=9, change_settings=True))
    assert (await changed.open()).lease_ms == 9000
    await changed.close()
