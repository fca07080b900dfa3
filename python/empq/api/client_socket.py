"""/ws/client: a table of message types, and the subscriptions of one client."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from empq.api.in_step import in_step
from empq.api.job_requests import checked
from empq.api.services import Services
from empq.api.socket_connection import (
    SLOW_READER,
    SocketConnection,
    encode,
    error_message,
    tagged,
)
from empq.api.sse import Opening, opening
from empq.errors import EmpqError, EventsGone, NotFound, TooLarge
from empq.messages import client
from empq.messages.codec import Malformed, MessageCodec
from empq.messages.worker import Ack
from empq.notify.subscriptions import EventFilters, Overflow
from empq.queue.submission import IdempotencyKey

if TYPE_CHECKING:
    from empq.model.event import JobEvent
    from empq.notify.subscriptions import Subscription

MOST_SUBSCRIPTIONS = 1000
DEFAULT_STATS_SECONDS = 1.0


class ClientSocket:
    """One client's connection."""

    codec: MessageCodec[Any] = MessageCodec(client.ClientMessage)

    def __init__(self, services: Services, connection: SocketConnection) -> None:
        self._services, self._connection = services, connection
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._to_begin: list[tuple[str, Coroutine[Any, Any, None]]] = []
        self._handlers: dict[type, Any] = {
            client.SubmitJob: self._submit_job,
            client.CancelJob: self._cancel_job,
            client.RequestJobStatus: self._tell_job_status,
            client.SubscribeJob: self._subscribe_job,
            client.SubscribeJobNotifications: self._subscribe_notifications,
            client.SubscribeStats: self._subscribe_stats,
            client.Unsubscribe: self._unsubscribe,
            client.Ping: self._pong,
        }

    async def answer(self, messages: Sequence[Any]) -> list[bytes | None]:
        """All messages go to the services in one tick."""
        results = await in_step([self._reply(message) for message in messages])
        return [
            error_message(result, message.id) if isinstance(result, Exception) else result
            for message, result in zip(messages, results, strict=True)
        ]

    def replied(self) -> None:
        """Subscriptions begin to send when their replies are on their way."""
        pumps, self._to_begin = self._to_begin, []
        for name, pump in pumps:
            task = asyncio.get_running_loop().create_task(pump)
            self._subscriptions[name] = task
            task.add_done_callback(lambda _, name=name: self._subscriptions.pop(name, None))

    async def closed(self, code: int | None) -> None:
        """Nobody listens any more."""
        self.replied()
        for pump in self._subscriptions.values():
            pump.cancel()

    async def _reply(self, message: Any) -> bytes | None:
        if isinstance(message, Malformed):
            return error_message(message.error, message.reply_to)
        return await self._handlers[type(message)](message)

    # ---------------------------------------------------------------- handlers, in the order of the table

    async def _submit_job(self, message: Any) -> bytes:
        request = checked(client.job_request_of(message))
        key: IdempotencyKey | None = None
        if message.idempotency_key is not None:
            scope = f"{self._connection.caller.name}:submit_job"
            body = encode(msgspec.structs.replace(message, id=None, timestamp=None))
            key = IdempotencyKey(scope, message.idempotency_key, body)
        submitted, _ = await self._services.submissions.submit(request, key)
        facts = msgspec.structs.asdict(submitted).items()
        told = {"job_id" if k == "id" else k: v for k, v in facts if v is not msgspec.UNSET}
        return tagged("job_accepted", message.id, encode(told))

    async def _cancel_job(self, message: client.CancelJob) -> bytes:
        await self._services.transitions.cancel(message.job_id, message.reason)
        told = {"job_id": message.job_id, "status": "cancelled"}
        return tagged("job_cancelled", message.id, encode(told))

    async def _tell_job_status(self, message: client.RequestJobStatus) -> bytes:
        view = await self._services.reader.job(message.job_id)
        head = b'{"job_id":%b,"status":%b,"job":%b}'
        body = head % (encode(view.id), encode(view.status), view.encode(None))
        return tagged("response_job_status", message.id, body)

    async def _subscribe_job(self, message: client.SubscribeJob) -> bytes:
        subscription = self._open(EventFilters(job_id=message.job_id))
        try:
            first = await opening(self._services, message.job_id, message.since)
        except BaseException:
            subscription.close()
            raise
        return self._begin(subscription, message.id, first)

    async def _subscribe_notifications(self, message: client.SubscribeJobNotifications) -> bytes:
        wanted = message.filters or client.NotificationFilters()
        filters = EventFilters(
            customer_id=wanted.customer_id,
            job_types=frozenset(wanted.job_types) if wanted.job_types is not None else None,
            status=frozenset(wanted.status) if wanted.status is not None else None,
            priority_min=wanted.priority_min,
            workflow_id=wanted.workflow_id,
        )
        # No replay is kept across jobs: a cursor cannot be resumed here, and the client is told so.
        return self._begin(
            self._open(filters), message.id, Opening([], [], message.since is not None)
        )

    async def _subscribe_stats(self, message: client.SubscribeStats) -> None:
        seconds = message.interval_seconds
        seconds = DEFAULT_STATS_SECONDS if seconds is None else seconds
        name = secrets.token_urlsafe(9)
        self._demand_room()
        self._to_begin.append((name, self._pump_stats(name, message.id, seconds)))

    async def _unsubscribe(self, message: client.Unsubscribe) -> bytes:
        pump = self._subscriptions.pop(message.subscription, None)
        if pump is None:
            raise NotFound(f"no subscription {message.subscription[:80]!r} on this connection")
        pump.cancel()
        return encode(Ack(reply_to=message.id))

    async def _pong(self, message: client.Ping) -> bytes:
        return encode(client.Pong(reply_to=message.id))

    # ---------------------------------------------------------------- subscriptions

    def _open(self, filters: EventFilters) -> Subscription:
        self._demand_room()
        return self._services.subscriptions.open(filters)

    def _begin(self, subscription: Subscription, reply_to: Any, first: Opening) -> bytes:
        self._to_begin.append((subscription.id, self._pump_events(subscription, first)))
        return encode(client.Subscribed(reply_to=reply_to, subscription=subscription.id))

    def _demand_room(self) -> None:
        if len(self._subscriptions) + len(self._to_begin) >= MOST_SUBSCRIPTIONS:
            raise TooLarge(f"a connection has at most {MOST_SUBSCRIPTIONS} subscriptions")

    async def _pump_events(self, subscription: Subscription, first: Opening) -> None:
        try:
            if first.is_gone:
                gone = EventsGone("events after this cursor are not kept; what follows begins now")
                self._connection.send(error_message(gone, None))
            self._send_events(subscription.id, first.events)
            while True:
                events = await subscription.next()
                self._send_events(subscription.id, [e for e in events if first.is_new(e)])
                await self._connection.room()
        except Overflow:
            self._connection.close(SLOW_READER, "slow reader")
        finally:
            subscription.close()

    def _send_events(self, subscription: str, events: Sequence[JobEvent]) -> None:
        rest = b',"subscription":%b}' % encode(subscription)
        self._connection.send(*(encode(event)[:-1] + rest for event in events))

    async def _pump_stats(self, name: str, reply_to: Any, seconds: float) -> None:
        kind = "snapshot"
        while True:
            with contextlib.suppress(EmpqError):  # Redis is away: the next interval tries again
                stats = await self._services.statistics.snapshot()
                body = encode({"subscription": name, "stats": stats})
                self._connection.send(tagged(kind, reply_to, body))
                kind, reply_to = "stats_broadcast", None
            await self._connection.room()
            await asyncio.sleep(seconds)
