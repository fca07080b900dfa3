"""Jobs as they are read: one, a page, a history, and the wait for an end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import msgspec

from empq.errors import EventsGone, InvalidField, NotFound
from empq.messages.rest import JobFilters
from empq.model.envelope import open_envelope, opening_bytes
from empq.model.event import JobEvent, event_id, version_of
from empq.model.lifecycle import ENDED
from empq.queue.job_view import JobView, events_of, make_view
from empq.store.keys import key
from empq.store.record import JobRecord, LoggedEvent, decode_event, decode_job
from empq.store.store import Store

OPENING = 4096
MOST_LOOKED_AT = 10_000
PAGE = 500


class Artifacts(Protocol):
    """What is known of accepted artifacts; the artifact store."""

    def listing(self, job_id: str, attempt: int) -> Sequence[Any]:
        """What the attempt uploaded: structs with name, size_bytes, sha256, content_type, url."""
        ...


class JobReader:
    """Reads jobs from Redis; holds nothing."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store, self._artifacts = store, artifacts
        #: a future that is done at the job's end (set by the hub: the feed knows)
        self.end_of: Callable[[str], asyncio.Future[None]] = lambda job_id: (
            asyncio.get_running_loop().create_future()
        )

    async def job(self, job_id: str) -> JobView:
        """The whole job. Raises NotFound."""
        keys = [key(noun, job_id) for noun in ("job", "envelope", "result", "progress")]
        packed, envelope, result, progress = await self._store.command("MGET", *keys)
        if not packed or not envelope:
            raise NotFound(f"no job {job_id}")
        record = decode_job(packed)
        history, position = await asyncio.gather(
            self._history(job_id, record), self._position(job_id, record)
        )
        return make_view(
            job_id,
            record,
            open_envelope(envelope),
            result=result,
            progress=msgspec.msgpack.decode(progress) if progress else None,
            history=history,
            position=position,
            artifacts=self._described(job_id, record),
        )

    def _described(self, job_id: str, record: JobRecord) -> list[Any]:
        if not record.artifacts:
            return []
        return [
            one
            for one in self._artifacts.listing(job_id, record.attempt)
            if one.name in record.artifacts
        ]

    async def wait(self, job_id: str, timeout_seconds: float) -> JobView:
        """The job as soon as it has ended, or as it is when the time is over."""
        end = self.end_of(job_id)  # listening begins before the look
        try:
            view = await self.job(job_id)
            if view.status not in ENDED and timeout_seconds > 0:
                await asyncio.wait([end], timeout=timeout_seconds)
                view = await self.job(job_id)
            return view
        finally:
            end.cancel()

    async def _history(self, job_id: str, record: JobRecord) -> list[LoggedEvent]:
        if not record.logged:
            return []
        return [
            decode_event(packed)
            for packed in await self._store.command("LRANGE", key("history", job_id), 0, -1)
        ]

    async def _position(self, job_id: str, record: JobRecord) -> int | None:
        if record.state != "queued":
            return None
        member = f"{record.sequence:016x}{job_id}"
        rank = await self._store.command("ZRANK", key("line", record.service), member)
        return None if rank is None else rank + 1

    async def history(self, job_id: str, after: str | None) -> list[JobEvent]:
        """The job's logged events after the cursor, in order. Raises NotFound, EventsGone."""
        record = (await self._store.jobs([job_id]))[0]
        if record is None:
            raise NotFound(f"no job {job_id}")
        seen = 0 if after is None else version_of(after)
        if seen is None or seen > record.version:
            raise EventsGone(f"no event {after!r} of job {job_id} is kept")
        logged = await self._history(job_id, record) or events_of(record)
        return [as_event(job_id, record, event) for event in logged if event.version > seen]

    # ------------------------------------------------------------------ lists

    async def page(
        self, filters: JobFilters, limit: int, cursor: str | None
    ) -> tuple[list[JobView], str | None]:
        """Jobs newest first by (created_at, id), and the cursor of the rest (None: the end)."""
        source = _source(filters)
        before = _parse_cursor(cursor, filters) if cursor is not None else None
        found: list[tuple[str, JobRecord]] = []
        looked = 0
        last: tuple[int, str] | None = None
        async for chunk in self._ids(source, before):
            records = await self._store.jobs([job_id for _, job_id in chunk])
            for (created, job_id), record in zip(chunk, records, strict=True):
                last, looked = (created, job_id), looked + 1
                if record is not None and _passes(filters, record):
                    found.append((job_id, record))
                if len(found) == limit or looked == MOST_LOOKED_AT:
                    return await self._views(found), _make_cursor(last, filters)
        return await self._views(found), None

    async def _ids(
        self, source: str, before: tuple[int, str] | None
    ) -> AsyncIterator[list[tuple[int, str]]]:
        """(created, id), newest first, from after `before`, in chunks; each begins where the last one ended."""
        size = PAGE
        while True:
            top = "+inf" if before is None else str(before[0])
            reply = await self._store.command(
                "ZREVRANGEBYSCORE", source, top, "-inf", "WITHSCORES", "LIMIT", 0, size
            )
            entries = [
                (int(float(reply[i + 1])), reply[i].decode()) for i in range(0, len(reply), 2)
            ]
            wanted = [entry for entry in entries if before is None or entry < before]
            if wanted:
                yield wanted
                before, size = wanted[-1], PAGE
            if len(entries) < size:
                return
            if not wanted:  # more jobs than this were made in one millisecond
                size *= 2

    async def _views(self, found: list[tuple[str, JobRecord]]) -> list[JobView]:
        views = await asyncio.gather(*(self._listed(job_id, record) for job_id, record in found))
        return [view for view in views if view is not None]

    async def _listed(self, job_id: str, record: JobRecord) -> JobView | None:
        opening, progress, history, position = await asyncio.gather(
            self._opening(job_id),
            self._store.command("GET", key("progress", job_id)),
            self._history(job_id, record),
            self._position(job_id, record),
        )
        if opening is None:  # deleted since its record was read
            return None
        return make_view(
            job_id,
            record,
            open_envelope(opening),
            progress=msgspec.msgpack.decode(progress) if progress else None,
            history=history,
            position=position,
            artifacts=self._described(job_id, record),
        )

    async def _opening(self, job_id: str) -> bytes | None:
        """All of an envelope but its payload."""
        opening = await self._store.command("GETRANGE", key("envelope", job_id), 0, OPENING - 1)
        if not opening:
            return None
        size = opening_bytes(opening)
        if size > len(opening):
            opening = await self._store.command("GETRANGE", key("envelope", job_id), 0, size - 1)
        return opening[:size]

    async def records(self, ids: list[str]) -> list[JobRecord | None]:
        """Records by id."""
        return await self._store.jobs(ids)


def as_event(job_id: str, record: JobRecord, event: LoggedEvent) -> JobEvent:
    """A history entry as it is told to clients."""
    return JobEvent(
        type=event.event,
        event_id=event_id(event.version),
        job_id=job_id,
        status=event.status,
        attempt=event.attempt,
        at=event.at,
        worker_id=event.worker,
        customer_id=record.customer,
        job_type=record.type,
        workflow_id=record.workflow,
        priority=record.priority,
        outcome=event.outcome,
        error_code=event.code,
        error_message=event.message,
    )


def _source(filters: JobFilters) -> str:
    if filters.customer_id:
        return key("created_of", filters.customer_id)
    if filters.status in ENDED:
        return key("ended", filters.status)
    return key("created")


def _passes(filters: JobFilters, record: JobRecord) -> bool:
    wanted = (
        (filters.status, record.state),
        (filters.type, record.type),
        (filters.customer_id, record.customer),
        (filters.worker_id, record.worker),
        (filters.workflow_id, record.workflow),
    )
    return all(value is None or value == actual for value, actual in wanted)


def _digest(filters: JobFilters, created: int, job_id: str) -> str:
    """Ties a position to its filters, so that a cursor that was cut off is no other position."""
    text = b"%b %d %b" % (msgspec.json.encode(filters), created, job_id.encode())
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def _make_cursor(last: tuple[int, str], filters: JobFilters) -> str:
    text = f"{_digest(filters, *last)} {last[0]} {last[1]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parse_cursor(cursor: str, filters: JobFilters) -> tuple[int, str]:
    try:
        digest, created, job_id = (
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
        )
        if digest == _digest(filters, int(created), job_id):
            return int(created), job_id
    except ValueError:
        pass
    raise InvalidField.at("/cursor", f"{cursor!r} is not a cursor of a page with these filters")
