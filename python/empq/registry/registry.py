"""Workers: their sessions, capabilities, heartbeats and links, as this hub serves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from empq.errors import InvalidField, NotFound, Unavailable, WorkerReplaced
from empq.messages.rest import (
    CancelOrder,
    Heartbeat,
    HeartbeatAnswer,
    HeldJob,
    Registered,
    RegisterWorker,
    StopOrder,
)
from empq.model.capabilities import Capabilities, decode_capabilities, merge_patch, with_health
from empq.model.event import LogRow, ProgressRow, WorkerEvent
from empq.model.identifiers import WORKER_ID, session_id
from empq.model.times import rfc3339
from empq.store.record import WorkerRecord
from empq.store.store import Store

HEARTBEATS_PER_LEASE = 3
MOST_LISTED = 10_000
PATCH_TRIES = 8
STOPPING_OUTCOMES = {
    "cancelled": "cancelled", "timeout": "timed out", "lost": "lost", "not_accepted": "not accepted in time",
}  # fmt: skip


class WorkerLink(Protocol):
    """A worker's socket on this hub. The calls do not block."""

    def cancel(self, job_id: str, attempt: int, reason: str) -> None:
        """Tells it to stop an attempt."""
        ...

    def drain(self, deadline_seconds: float | None) -> None:
        """Tells it to take nothing new."""
        ...

    def replaced(self) -> None:
        """A newer registration took over: the socket is to be closed with 4009."""
        ...


class Index(Protocol):
    """Who keeps the matcher: the broker's index keeper."""

    def know_worker(self, worker_id: str, version: int, document: bytes) -> None:
        """Makes a worker's capabilities known."""
        ...

    def know_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        """Makes its load known, each 0..100."""
        ...


class Registry:
    """All methods raise NotFound for a worker that nobody knows."""

    def __init__(self, store: Store, index: Index, lease_ms: int) -> None:
        self._store, self._index = store, index
        self.lease_ms = lease_ms
        self._links: dict[str, tuple[str, WorkerLink]] = {}
        self._health: dict[str, dict[str, bool]] = {}
        #: a worker may take more than before: its claims look again
        self.on_changed: Callable[[str], None] = lambda worker_id: None

    async def register(self, wish: RegisterWorker) -> Registered:
        """Begins a session, replacing an older one of the same id."""
        if not WORKER_ID.match(wish.worker_id):
            raise InvalidField.at("/worker_id", f"{wish.worker_id!r}: 1 to 64 of A-Z a-z 0-9 . _ -")
        capabilities = decode_capabilities(wish.capabilities)
        session = session_id()
        listed = _listed(wish.current_jobs or [])
        args = [wish.worker_id, session, *_limits(capabilities), _sent(capabilities), listed]
        _, (version, keep, stop, lease_ms) = await self._store.calls.run("register_worker", args)
        self._index.know_worker(wish.worker_id, version, capabilities.document())
        self._health.pop(wish.worker_id, None)
        self.lease_ms = lease_ms
        return Registered(
            worker_id=wish.worker_id,
            session=session,
            lease_ms=lease_ms,
            heartbeat_ms=lease_ms // HEARTBEATS_PER_LEASE,
            keep=keep,
            stop=[job_id for job_id, _ in stop],
        )

    async def heartbeat(
        self, worker_id: str, session: str | None, beat: Heartbeat
    ) -> HeartbeatAnswer:
        """Extends the lease; jobs that are left out twice are lost. Raises WorkerReplaced."""
        vitals = {
            "load": beat.load,
            "system_info": beat.system_info,
            "connector_status": beat.connector_status,
        }
        item = [
            worker_id,
            session or "",
            _listed(beat.current_jobs),
            msgspec.json.encode(vitals).decode(),
        ]
        result = _demand(await self._store.heartbeat.add(item), worker_id)
        _, cancel, stop, state, _, lease_ms = result
        self.lease_ms = lease_ms
        if beat.system_info:
            self._index.know_load(
                worker_id, *(_percent(beat.system_info, name) for name in ("cpu", "memory", "gpu"))
            )
        if beat.connector_status:
            await self._note_health(worker_id, beat.connector_status)
        return HeartbeatAnswer(
            lease_ms=lease_ms,
            cancel=[CancelOrder(*notice) for notice in cancel],
            stop=[StopOrder(*entry) for entry in stop],
            drain=state == "draining",
        )

    async def _note_health(self, worker_id: str, status: Mapping[str, Any]) -> None:
        healthy = {service: said.get("status") != "unhealthy" for service, said in status.items()}
        if healthy == self._health.get(worker_id):
            return
        await self._change(worker_id, lambda sent: with_health(sent, healthy))
        self._health[worker_id] = healthy

    async def patch(self, worker_id: str, changes: dict[str, Any]) -> None:
        """Changes capabilities by a merge patch."""
        await self._change(worker_id, lambda sent: merge_patch(sent, changes))

    async def _change(
        self, worker_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        for _ in range(PATCH_TRIES):
            record, sent, _ = (await self._store.workers([worker_id]))[0]
            if record is None or sent is None:
                raise NotFound(f"no worker {worker_id}")
            old = msgspec.json.decode(sent)
            capabilities = decode_capabilities(change(old))
            if capabilities.sent == old:
                return
            args = [worker_id, record.version, *_limits(capabilities), _sent(capabilities)]
            token, results = await self._store.calls.run("patch_worker", args)
            if token == "ok":
                self._index.know_worker(worker_id, results[0], capabilities.document())
                self.on_changed(worker_id)
                return
        raise Unavailable(f"worker {worker_id} is being changed by others; try again")

    async def drain(self, worker_id: str, deadline_seconds: float | None) -> None:
        """The worker takes nothing new; what it holds it may finish, until the deadline."""
        await self._set_state(worker_id, "draining", deadline_seconds)

    async def resume(self, worker_id: str) -> None:
        """The worker takes jobs again."""
        await self._set_state(worker_id, "online", None)

    async def _set_state(self, worker_id: str, state: str, deadline_seconds: float | None) -> None:
        args = [worker_id, state, round((deadline_seconds or 0) * 1000)]
        token, _ = await self._store.calls.run("drain_worker", args)
        if token != "ok":
            raise NotFound(f"no worker {worker_id}")

    async def remove(self, worker_id: str, session: str | None = None) -> None:
        """The worker leaves by its own wish (DELETE, clean close): what it holds is released at once."""
        token, _ = await self._store.calls.run("leave_worker", [worker_id, session or ""])
        _demand([token], worker_id)

    # ------------------------------------------------------------------ views

    async def view(self, worker_id: str) -> dict[str, Any]:
        """One worker as the contract shows it."""
        views = await self._views([worker_id])
        if not views:
            raise NotFound(f"no worker {worker_id}")
        return views[0]

    async def views(self) -> list[dict[str, Any]]:
        """All workers, by id."""
        return await self._views(await self._store.worker_ids())

    async def capabilities_sent(self, worker_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Capabilities as sent, by worker id."""
        found = await self._store.workers(worker_ids)
        return {
            worker_id: msgspec.json.decode(sent)
            for worker_id, (_, sent, _) in zip(worker_ids, found, strict=True)
            if sent
        }

    async def _views(self, worker_ids: list[str]) -> list[dict[str, Any]]:
        found = await self._store.workers(worker_ids)
        return [
            _view(
                worker_id,
                record,
                msgspec.json.decode(sent or b"{}"),
                msgspec.json.decode(vitals or b"{}"),
            )
            for worker_id, (record, sent, vitals) in zip(worker_ids, found, strict=True)
            if record is not None
        ]

    # ------------------------------------------------------------------ links

    def attach(self, worker_id: str, session: str, link: WorkerLink) -> None:
        """The session's socket is on this hub; an older session's is told that it was replaced."""
        older = self._links.get(worker_id)
        self._links[worker_id] = (session, link)
        if older is not None and older[1] is not link:
            older[1].replaced()

    def detach(self, worker_id: str, session: str, link: WorkerLink) -> None:
        """The socket is gone."""
        if self._links.get(worker_id) == (session, link):
            del self._links[worker_id]

    @property
    def linked(self) -> int:
        """How many workers' sockets are on this hub."""
        return len(self._links)

    def hear_workers(self, events: list[WorkerEvent]) -> None:
        """Worker events of the log, this hub's own among them."""
        for event in events:
            held = self._links.get(event.worker_id)
            if event.type == "worker_registered" and held is not None and held[0] == event.detail:
                del self._links[event.worker_id]
                held[1].replaced()
            elif event.type == "worker_status" and event.detail == "draining" and held is not None:
                held[1].drain(event.deadline_ms / 1000 if event.deadline_ms else None)
            self.on_changed(event.worker_id)

    def hear_jobs(self, rows: Sequence[LogRow | ProgressRow]) -> None:
        """Attempts that were ended over their worker's head are told to it; its claims look again."""
        for row in rows:
            if not isinstance(row, LogRow) or not row.outcome or not row.worker_id:
                continue
            held = self._links.get(row.worker_id)
            if held is not None and row.outcome in STOPPING_OUTCOMES:
                held[1].cancel(
                    row.job_id, row.attempt, row.error_message or STOPPING_OUTCOMES[row.outcome]
                )
            self.on_changed(row.worker_id)


def _limits(capabilities: Capabilities) -> list[Any]:
    capacity = [[name, most] for name, most in capabilities.capacity_by_service.items()]
    return [capabilities.slots, capacity, capabilities.max_concurrent_customers or 0]


def _sent(capabilities: Capabilities) -> str:
    return msgspec.json.encode(capabilities.sent).decode()


def _listed(jobs: list[HeldJob]) -> list[list[Any]]:
    if len(jobs) > MOST_LISTED:
        raise InvalidField.at("/current_jobs", f"{len(jobs)} jobs; at most {MOST_LISTED}")
    return [[job.job_id, job.attempt] for job in jobs]


def _demand(result: list[Any], worker_id: str) -> list[Any]:
    if result[0] == "not_found":
        raise NotFound(f"worker {worker_id} is unknown or offline: register again")
    if result[0] == "worker_replaced":
        raise WorkerReplaced(f"a newer registration of worker {worker_id} took over")
    return result


def _percent(info: Mapping[str, Any], name: str) -> int:
    value = info.get(f"{name}_percent")
    return max(0, min(100, int(value))) if isinstance(value, int | float) and value == value else 0


def _view(
    worker_id: str, record: WorkerRecord, capabilities: Any, vitals: dict[str, Any]
) -> dict[str, Any]:
    held = len(record.held)
    status = record.state if record.state != "online" else "busy" if held else "idle"
    return {
        "worker_id": worker_id,
        "session": record.session,
        "status": status,
        "drained": record.state == "draining" and held == 0,
        "capabilities": capabilities,
        "load": vitals.get("load"),
        "system_info": vitals.get("system_info"),
        "connector_status": vitals.get("connector_status"),
        "slots": {"total": record.slots, "held": held},
        "current_jobs": [
            {"job_id": job.job, "attempt": job.attempt} for job in record.held if not job.cancelled
        ],
        "connected_at": rfc3339(record.registered_at),
        "last_heartbeat": rfc3339(record.heartbeat_at),
        "expected_free_at": None,
        "jobs_completed": record.completed,
        "jobs_failed": record.failed,
    }
