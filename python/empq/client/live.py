"""What the hub tells by itself: a job's event stream, and notifications over the clients' socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import aiohttp
import msgspec

from empq.client.problems import HubUnreachable, error_of, error_of_message
from empq.errors import EmpqError
from empq.model.lifecycle import ENDED

SUBPROTOCOL = "empq.v1"
#: A broken stream is opened again this often in a row before the hub counts as unreachable.
ATTEMPTS = 8
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.1, 5.0
SILENT_SECONDS = 90.0
CONNECT_SECONDS = 10.0
END_EVENTS = frozenset(f"job_{state}" for state in ENDED)

Event = dict[str, Any]


async def job_events(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], since: str | None
) -> AsyncGenerator[Event]:
    """Server-sent events of one job, resumed by their ids, up to its end."""
    failures = 0
    while True:
        try:
            async for event in _stream(session, url, headers, since):
                failures = 0
                since = event.get("event_id") or since
                yield event
                if event.get("type") in END_EVENTS or event.get("status") in ENDED:
                    return
            reason = "the stream ended"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
        failures += 1
        if failures >= ATTEMPTS:
            raise HubUnreachable(f"lost the events at {url}: {reason}")
        await asyncio.sleep(
            random.uniform(0, min(LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**failures))
        )


async def notifications(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], filters: Mapping[str, Any]
) -> AsyncGenerator[Event]:
    """One subscription on /ws/client; raises HubUnreachable when the connection ends."""
    try:
        async with session.ws_connect(
            url, headers=headers, protocols=(SUBPROTOCOL,), max_msg_size=0
        ) as socket:
            request = {"type": "subscribe_job_notifications", "id": "watch", "filters": filters}
            await socket.send_str(msgspec.json.encode(request).decode())
            async for message in socket:
                for event in _events(message):
                    if event.get("type") == "error":
                        raise error_of_message(event)
                    if event.get("type") != "job_notifications_subscribed":
                        yield event
            reason = f"closed with {socket.close_code}"
    except aiohttp.WSServerHandshakeError as error:
        raise _refused(error) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
    raise HubUnreachable(f"lost the notifications at {url}: {reason}")


async def _stream(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], since: str | None
) -> AsyncGenerator[Event]:
    told = {**headers, "Accept": "text/event-stream"}
    if since is not None:
        told["Last-Event-ID"] = since
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS
    )
    async with session.get(url, headers=told, timeout=timeout) as answer:
        if answer.status >= 400:
            raise error_of(answer.status, await answer.read())
        fields: dict[str, str] = {}
        async for raw in answer.content:
            line = raw.decode().rstrip("\r\n")
            if line:
                _take(line, fields)
            elif "data" in fields:
                yield _event(fields)
                fields = {}
            else:
                fields = {}


def _take(line: str, fields: dict[str, str]) -> None:
    """One line of an event; comments begin with a colon (WHATWG HTML, "event stream interpretation")."""
    name, _, value = line.partition(":")
    value = value.removeprefix(" ")
    if name == "data" and "data" in fields:
        fields["data"] += f"\n{value}"
    elif name:
        fields[name] = value


def _event(fields: dict[str, str]) -> Event:
    event: Event = msgspec.json.decode(fields["data"], type=dict[str, Any])
    if "event" in fields:
        event.setdefault("type", fields["event"])
    if "id" in fields:
        event.setdefault("event_id", fields["id"])
    return event


def _events(message: aiohttp.WSMessage) -> list[Event]:
    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return []
    decoded: Any = msgspec.json.decode(message.data)
    return cast(list[Event], decoded if isinstance(decoded, list) else [decoded])


def _refused(error: aiohttp.WSServerHandshakeError) -> EmpqError:
    if error.status in (401, 403):
        return error_of(error.status, b"")
    return HubUnreachable(f"no clients' socket at {error.request_info.real_url}: {error.status}")
