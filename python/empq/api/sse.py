"""Server-sent events: a job's history and what follows, resumable by Last-Event-ID."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from empq.api.request import Request
from empq.api.response import Response, Stream, encode
from empq.api.services import Services
from empq.errors import EventsGone
from empq.model.lifecycle import ENDED
from empq.notify.subscriptions import EventFilters, Overflow

if TYPE_CHECKING:
    from empq.model.event import JobEvent
    from empq.notify.subscriptions import Subscription

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def stream_job_events(services: Services, request: Request) -> Response:
    """GET /api/jobs/{job_id}/events."""
    job_id = request.job_id()
    subscription = services.subscriptions.open(EventFilters(job_id=job_id))
    try:
        first = await opening(services, job_id, request.header(b"last-event-id"))
    except BaseException:
        subscription.close()
        raise
    return Stream(200, _events(subscription, first), HEADERS)


class Opening:
    """What a subscriber to one job gets first, and which of the events that follow it has then had."""

    def __init__(self, events: list[JobEvent], history: list[JobEvent], is_gone: bool) -> None:
        self.events, self.is_gone = events, is_gone
        #: the job has ended, so that nothing follows
        self.is_over = bool(history) and history[-1].status in ENDED
        self._seen = {(event.type, event.event_id) for event in history}

    def is_new(self, event: JobEvent) -> bool:
        """Progress shares its event_id with the last logged event, so it is never had before."""
        return event.type == "job_update" or (event.type, event.event_id) not in self._seen


async def opening(services: Services, job_id: str, since: str | None) -> Opening:
    """After a cursor: what followed it. Without one, or with one that is gone: the current state."""
    history = await services.reader.history(job_id, None)
    is_gone = False
    if since is not None:
        try:
            return Opening(await services.reader.history(job_id, since), history, False)
        except EventsGone:
            is_gone = True
    return Opening(history[-1:], history, is_gone)


async def _events(subscription: Subscription, first: Opening) -> AsyncGenerator[bytes, None]:
    try:
        if first.is_gone:
            yield b"event: events_gone\ndata: {}\n\n"
        for event in first.events:
            yield _framed(event)
        if first.is_over:
            return
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    events = await subscription.next()
            except TimeoutError:
                yield KEEP_ALIVE
                continue
            for event in events:
                if first.is_new(event):
                    yield _framed(event)
                if event.status in ENDED:
                    return
    except Overflow:
        return  # a slow reader comes back with its Last-Event-ID
    finally:
        subscription.close()


def _framed(event: JobEvent) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        event.event_id.encode(),
        event.type.encode(),
        encode(event),
    )
