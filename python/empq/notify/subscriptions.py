"""Who listens to which events: bounded mailboxes; of progress only the latest per job is kept."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from empq.model.event import JobEvent, LogRow, ProgressRow
from empq.model.lifecycle import ENDED

MOST_WAITING = 10_000


class EventFilters(NamedTuple):
    """All given ones must hold; job_id alone is looked up without touching the others."""

    job_id: str | None = None
    customer_id: str | None = None
    job_types: frozenset[str] | None = None
    status: frozenset[str] | None = None
    priority_min: int | None = None
    workflow_id: str | None = None

    def passes(self, event: LogRow | ProgressRow) -> bool:
        """Whether the event is asked for."""
        return (
            (self.job_id is None or self.job_id == event.job_id)
            and (self.customer_id is None or self.customer_id == event.customer_id)
            and (self.job_types is None or event.job_type in self.job_types)
            and (self.status is None or event.status in self.status)
            and (self.priority_min is None or event.priority >= self.priority_min)
            and (self.workflow_id is None or self.workflow_id == event.workflow_id)
        )


class Overflow(Exception):
    """The reader is too slow: more events wait than are kept for one subscriber."""


class Subscription:
    """One listener's mailbox."""

    def __init__(self, owner: Subscriptions, filters: EventFilters) -> None:
        self.id = secrets.token_urlsafe(9)
        self.filters = filters
        self._owner = owner
        self._events: list[JobEvent] = []
        self._progress: dict[str, int] = {}
        self._arrived = asyncio.Event()
        self._overflown = False

    def put(self, event: JobEvent) -> None:
        """Adds an event; progress replaces the waiting progress of its job."""
        if self._overflown:
            return
        if event.type == "job_update":
            place = self._progress.get(event.job_id)
            if place is not None:
                self._events[place] = event
                return
            self._progress[event.job_id] = len(self._events)
        else:
            self._progress.pop(event.job_id, None)
        if len(self._events) >= MOST_WAITING:
            self._overflown = True
        else:
            self._events.append(event)
        self._arrived.set()

    async def next(self) -> list[JobEvent]:
        """What has arrived, in order; waits for the first. Raises Overflow."""
        await self._arrived.wait()
        if self._overflown:
            raise Overflow(f"more than {MOST_WAITING} events wait")
        events, self._events = self._events, []
        self._progress.clear()
        self._arrived.clear()
        return events

    def close(self) -> None:
        """Ends the subscription."""
        self._owner.drop(self)


class Subscriptions:
    """All listeners of this hub. Those of one job are found by its id."""

    def __init__(self) -> None:
        self._by_job: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._others: set[Subscription] = set()
        self._ends: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def open(self, filters: EventFilters) -> Subscription:
        """Begins to listen; what happens from now on arrives."""
        subscription = Subscription(self, filters)
        (self._by_job[filters.job_id] if filters.job_id is not None else self._others).add(
            subscription
        )
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Stops delivering to it."""
        job_id = subscription.filters.job_id
        if job_id is None:
            self._others.discard(subscription)
        elif job_id in self._by_job:
            self._by_job[job_id].discard(subscription)
            if not self._by_job[job_id]:
                del self._by_job[job_id]

    def end_of(self, job_id: str) -> asyncio.Future[None]:
        """A future that is done when the job's end is told; cancel it to stop listening."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends[job_id].add(future)
        future.add_done_callback(lambda done: self._forget_end(job_id, done))
        return future

    def _forget_end(self, job_id: str, future: asyncio.Future[None]) -> None:
        futures = self._ends.get(job_id)
        if futures is not None:
            futures.discard(future)
            if not futures:
                del self._ends[job_id]

    def publish(self, rows: Sequence[LogRow | ProgressRow]) -> None:
        """Hands events to those who asked for them; what nobody asked for is never made into one."""
        for row in rows:
            if row.status in ENDED and row.job_id in self._ends:
                for future in list(self._ends[row.job_id]):
                    if not future.done():
                        future.set_result(None)
            wanted = [
                *self._by_job.get(row.job_id, ()),
                *(other for other in self._others if other.filters.passes(row)),
            ]
            if wanted:
                event = row.event()
                for subscription in wanted:
                    subscription.put(event)

    def __len__(self) -> int:
        return len(self._others) + sum(len(listeners) for listeners in self._by_job.values())
