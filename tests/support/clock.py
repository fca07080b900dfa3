"""Time that a test moves: the scripts' now_ms with an offset kept in Redis, whose clock stays the authority."""

from __future__ import annotations

from empq.store.keys import prefix
from empq.store.store import Store

OFFSET_KEY, STOPPED_KEY = prefix() + "test_offset", prefix() + "test_stopped"
NOW_MS = f"""
local function now_ms()
  local time = redis.call("TIME")
  local offset = tonumber(redis.call("GET", "{OFFSET_KEY}") or 0)
  local stopped = tonumber(redis.call("GET", "{STOPPED_KEY}") or "")
  return (stopped or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)) + offset
end
"""


async def stop_time(store: Store) -> None:
    """From now on Redis' clock goes on by `pass_time` alone."""
    seconds, micros = await store.command("TIME")
    await store.command("SET", STOPPED_KEY, int(seconds) * 1000 + int(micros) // 1000)


async def pass_time(store: Store, ms: int) -> None:
    """Redis' clock goes on at once, as the scripts see it."""
    await store.command("INCRBY", OFFSET_KEY, ms)


async def pass_lease_time(store: Store, ms: int, lease_ms: int = 3000) -> None:
    """The lease clock goes on by `ms`, in steps that it follows whole."""
    while ms > 0:
        step = min(ms, lease_ms // 6)
        await pass_time(store, step)
        await store.calls.run("expire_jobs", [0, 1])
        ms -= step
