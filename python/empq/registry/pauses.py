"""Pauses: no new assignments for a worker, a service, a job type or a customer; what runs goes on."""

from __future__ import annotations

import secrets
import time
from typing import Literal

import msgspec

from empq.errors import NotFound
from empq.model.times import rfc3339
from empq.store.store import Store

Scope = Literal["customer", "service", "type", "worker"]


class Pause(msgspec.Struct):
    """One pause, as it is kept and shown."""

    id: str
    scope: Scope
    name: str
    reason: str | None
    created_at: str | None


class Pauses:
    """Kept in Redis; every hub's index hears of a change at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, scope: Scope, name: str, reason: str | None) -> Pause:
        """Begins a pause; the same scope and name may be paused by several."""
        pause = Pause(
            secrets.token_hex(8), scope, name, reason, rfc3339(time.time_ns() // 1_000_000)
        )
        await self._store.calls.run("set_pause", [pause.id, msgspec.json.encode(pause).decode()])
        return pause

    async def list(self) -> list[Pause]:
        """All pauses, oldest first."""
        kept = [
            msgspec.json.decode(text, type=Pause) for text in (await self._store.pauses()).values()
        ]
        return sorted(kept, key=lambda pause: (pause.created_at or "", pause.id))

    async def end(self, pause_id: str) -> None:
        """Ends a pause. Raises NotFound."""
        token, *_ = await self._store.calls.run("set_pause", [pause_id, ""])
        if token == "not_found":
            raise NotFound(f"no pause {pause_id}")

    async def end_all(self, scope: Scope, name: str) -> int:
        """Ends every pause of this scope and name; how many there were."""
        found = [pause for pause in await self.list() if (pause.scope, pause.name) == (scope, name)]
        for pause in found:
            await self.end(pause.id)
        return len(found)
