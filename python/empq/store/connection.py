"""From an address to a checked connection: what Redis must be, in a sentence where it is not."""

from __future__ import annotations

import logging
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from empq.errors import StartRefused
from empq.settings import without_password

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
LOGIN_WORDS = (
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "invalid username-password",
    "Authentication required",
)
SCHEMES = ("redis", "rediss", "unix")


def connection_factory(url: str) -> Any:
    """A function that makes unconnected connections to `url`. They never re-send a command by themselves."""
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise StartRefused(
            f"redis_url {without_password(url)!r}: expected redis://, rediss:// or unix://"
        )
    try:
        _ = urlsplit(url).port
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise StartRefused(
            f"redis_url: {error} (a password's # / @ : % must be percent-encoded)"
        ) from None
    connection_class = options.pop("connection_class", Connection)
    options.update(
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        health_check_interval=0,
        decode_responses=False,
    )

    def make() -> AbstractConnection:
        return connection_class(**options)

    return make


async def ask(connection: AbstractConnection, *command: Any) -> Any:
    """One command, one reply, on a connection that nobody else uses."""
    await connection.send_packed_command(connection.pack_command(*command))
    return await read_reply(connection)


async def read_reply(connection: AbstractConnection) -> Any:
    """The next reply, bytes undecoded; an error reply is raised."""
    return cast("Any", await connection.read_response(disable_decoding=True))  # pyright: ignore[reportUnknownMemberType]


async def check_server(connection: AbstractConnection, url: str) -> None:
    """Demands Redis >= 7.0 or Valkey >= 7.2 and noeviction; warns of missing appendonly and maxmemory."""
    shown = without_password(url)
    server = await info(connection, "server")
    name, version = (
        ("Valkey", server["valkey_version"])
        if "valkey_version" in server
        else ("Redis", server.get("redis_version", "0"))
    )
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < ((7, 2) if name == "Valkey" else (7, 0)):
        raise StartRefused(f"{shown} is {name} {version}; empq needs Redis >= 7.0 or Valkey >= 7.2")
    memory = await info(connection, "memory")
    if memory.get("maxmemory_policy") != "noeviction":
        raise StartRefused(
            f"{shown} may evict keys (maxmemory-policy {memory.get('maxmemory_policy')}): jobs would vanish; "
            "set `maxmemory-policy noeviction`"
        )
    if memory.get("maxmemory") == "0":
        logger.warning(
            "redis has no maxmemory: when the machine's memory is used up, the kernel kills it; set `maxmemory`"
        )
    persistence = await info(connection, "persistence")
    if persistence.get("aof_enabled") != "1":
        logger.warning(
            "redis has no append-only file: jobs are lost when it stops; set `appendonly yes`"
        )


async def info(connection: AbstractConnection, section: str) -> dict[str, str]:
    """One section of INFO, by name."""
    return parse_info(await ask(connection, "INFO", section))


def parse_info(reply: bytes) -> dict[str, str]:
    """INFO's lines by name."""
    lines = (line.partition(":") for line in reply.decode().splitlines())
    return {name: value for name, separator, value in lines if separator}


def refusal(error: Exception, url: str) -> StartRefused | None:
    """The sentence for an error that no waiting mends, else None."""
    text = str(error)
    if isinstance(error, AuthenticationError) or any(word in text for word in LOGIN_WORDS):
        return StartRefused(
            f"{without_password(url)} refused the login: {text} (a password's # / @ : % must be percent-encoded)"
        )
    return None
