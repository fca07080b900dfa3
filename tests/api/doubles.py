"""Services that answer from memory, just enough for the API's own rules."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from empq.api.services import Services
from empq.artifacts.file_store import FileStore
from empq.errors import NotFound, StaleAttempt
from empq.messages.rest import HeartbeatAnswer, Registered, Submitted
from empq.model.event import JobEvent, event_id
from empq.queue.submission import InvalidItem
from empq.queue.transitions import FailAck
from empq.settings import Settings


class Jobs:
    """Submissions, transitions and reader in one: remembers each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.replies: dict[tuple[str, str], Any] = {}
        self.events: list[JobEvent] = []

    async def submit(self, request: Any, key: Any = None) -> tuple[Submitted, bool]:
        self.calls.append(("submit", request.type, bytes(request.payload), key))
        answer = Submitted("j1", "queued", 1, None, "2026-11-25T00:00:00.000Z")
        if key is None:
            return answer, False
        replayed = (key.scope, key.key) in self.replies
        return self.replies.setdefault((key.scope, key.key), answer), replayed

    async def submit_batch(self, items: Any, partial: bool, key: Any = None) -> Any:
        self.calls.append(("batch", len(items), partial))
        return [
            item.error
            if isinstance(item, InvalidItem)
            else Submitted(f"j{n}", "queued", n, None, "2026-11-25T00:00:00.000Z")
            for n, item in enumerate(items)
        ], False

    async def complete(self, job_id: str, token: Any, result: Any, artifacts: Any) -> None:
        await asyncio.sleep(0)
        if token.attempt != 1:
            raise StaleAttempt(f"attempt {token.attempt} is not the current one")
        self.calls.append(("complete", job_id, token, result, artifacts))

    async def accept(self, job_id: str, token: Any) -> None:
        await asyncio.sleep(0)
        self.calls.append(("accept", job_id))

    async def progress(self, job_id: str, token: Any, report: Any) -> None:
        self.calls.append(("progress", job_id, report.progress))

    async def fail(self, job_id: str, token: Any, error: str, details: Any, retry: bool) -> FailAck:
        self.calls.append(("fail", job_id, error, details, retry))
        return FailAck(retry, 1500)

    async def release(self, job_id: str, token: Any, reason: Any) -> None:
        raise RuntimeError("a defect of the hub's own")

    async def check_current(self, job_id: str, token: Any) -> str:
        if token.attempt != 1:
            raise StaleAttempt("not current")
        return "lease"

    async def history(self, job_id: str, after: str | None) -> list[JobEvent]:
        return [event for event in self.events if after is None or event.event_id > after]

    async def job(self, job_id: str) -> Any:
        raise NotFound(f"no job {job_id}")


class Listener:
    """A subscription whose events a test puts in."""

    def __init__(self, owner: Listeners) -> None:
        self.id = "s1"
        self.arrived: asyncio.Queue[list[JobEvent]] = asyncio.Queue()
        self._owner = owner

    async def next(self) -> list[JobEvent]:
        return await self.arrived.get()

    def close(self) -> None:
        self._owner.open_ones.discard(self)


class Listeners:
    """All subscriptions, whatever their filters."""

    def __init__(self) -> None:
        self.open_ones: set[Listener] = set()

    def open(self, filters: Any) -> Listener:
        listener = Listener(self)
        self.open_ones.add(listener)
        return listener

    def publish(self, events: list[JobEvent]) -> None:
        for listener in self.open_ones:
            listener.arrived.put_nowait(events)

    def __len__(self) -> int:
        return len(self.open_ones)


class Workers:
    """Registry and broker in one."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, str | None]] = []
        self.attached: list[Any] = []
        self.offered: list[bytes] = []
        self.waiting = asyncio.Event()
        self.given_up = asyncio.Event()

    async def register(self, wish: Any) -> Registered:
        return Registered(
            worker_id=wish.worker_id,
            session="s1",
            lease_ms=15000,
            heartbeat_ms=5000,
            keep=[],
            stop=[],
        )

    async def heartbeat(self, worker_id: str, session: Any, beat: Any) -> HeartbeatAnswer:
        return HeartbeatAnswer(lease_ms=15000, cancel=[], stop=[], drain=False)

    async def remove(self, worker_id: str, session: str | None = None) -> None:
        self.removed.append((worker_id, session))

    def attach(self, worker_id: str, session: str, link: Any) -> None:
        self.attached.append(link)

    def detach(self, worker_id: str, session: str, link: Any) -> None:
        self.attached.remove(link)

    async def claim(
        self, worker_id: str, session: Any, most: int, wait_ms: int, claim_id: Any
    ) -> Any:
        if self.offered:
            taken, self.offered = self.offered[:most], self.offered[most:]
            return taken
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()


def services(root: Path) -> tuple[Services, Jobs, Workers]:
    jobs, workers = Jobs(), Workers()
    made: Any = {
        "settings": Settings(),
        "submissions": jobs,
        "transitions": jobs,
        "reader": jobs,
        "workflows": None,
        "registry": workers,
        "customers": None,
        "pauses": None,
        "broker": workers,
        "explaining": None,
        "subscriptions": Listeners(),
        "statistics": None,
        "artifacts": FileStore(root),
        "readiness": lambda: (True, {"redis": True}),
        "metrics": Scrapes(),
    }
    return Services(**made), jobs, workers


class Scrapes:
    async def render(self) -> bytes:
        return b"empq_jobs 0\n"


def event(kind: str, status: str, number: int) -> JobEvent:
    return JobEvent(kind, event_id(number), "j1", status, 1, 1_700_000_000_000 + number)
