"""Serves a hub over granian on uvloop, in one process or several; starts and stops in order, fails in a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import multiprocessing
import os
import secrets
import signal
import socket
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import msgspec
import uvloop
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from empq.api.application import Application
from empq.api.authentication import Authentication
from empq.errors import StartRefused
from empq.hub.hub import build
from empq.settings import Settings
from empq.settings_sources import Configured

STOP_SECONDS = 12.0
ANSWER_SECONDS = 3.0
START_SECONDS = 120.0
RESPAWN_SECONDS = 1.0
BACKLOG = 1024
# A connection holds its permit from accept to close, idle ones too: with fewer, idle peers would silence the hub.
CONNECTIONS = 16_384
HEADER_READ_MS = 10_000
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger(__name__)


def run(configured: Configured) -> None:
    """Serves until SIGINT or SIGTERM. Raises StartRefused with the sentence to show, before anything is touched."""
    settings = configured.settings
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    _check_exposure(settings)
    address, port = free_address(settings.host, settings.port)
    settings = _with_key(msgspec.structs.replace(settings, host=address, port=port))
    if settings.hubs == 1:
        uvloop.run(_serve(settings, None))
    else:
        _supervise(settings)


def free_address(host: str, port: int) -> tuple[str, int]:
    """The numeric address and the port to listen on, both checked to be ours to take. Raises StartRefused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise StartRefused(f"host = {host!r}: no such address: {error.strerror}") from None
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise StartRefused(
                f"port {port} of {host} cannot be listened on: {error.strerror}; stop what holds it or state --port"
            ) from None
        return str(address[0]), int(probe.getsockname()[1])


def _check_exposure(settings: Settings) -> None:
    """Raises StartRefused where callers from outside would need no key."""
    if _is_loopback(settings.host):
        return
    if settings.no_auth:
        raise StartRefused(f"--no-auth: only on a loopback address, not on host {settings.host!r}")
    if not settings.admin_key:
        raise StartRefused(
            f"host = {settings.host!r}: a hub that others can reach needs a key; state EMPQ_ADMIN_KEY"
        )


def _with_key(settings: Settings) -> Settings:
    """The settings with a key for this run, where none is stated and one is needed."""
    if settings.admin_key or settings.no_auth:
        return settings
    key = secrets.token_urlsafe(24)
    log.warning("no_admin_key: none is stated, so this run has its own: %s", key)
    return msgspec.structs.replace(settings, admin_key=key)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: Settings, ready: Connection | None) -> None:
    """One hub process: Redis first, the port last; then all of it in reverse."""
    stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.ensure_future(stop.wait())
    hub = build(settings)
    starting = asyncio.ensure_future(hub.start())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return
        authentication = Authentication(None if settings.no_auth else settings.admin_key)
        application = Application(starting.result(), authentication)
        await _listen(settings, application, stopping, ready)
        log.info("hub_stopping")
    finally:
        starting.cancel()
        stopping.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS - ANSWER_SECONDS):
                await hub.stop()


async def _listen(
    settings: Settings,
    application: Application,
    stopping: asyncio.Future[Any],
    ready: Connection | None,
) -> None:
    server = Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS),
        log_enabled=False,
    )
    serving = asyncio.ensure_future(server.serve())
    await asyncio.sleep(0)  # it binds in its first step
    if not serving.done():
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        log.info("hub_listening url=http://%s:%s", host, settings.port)
        if ready is not None:
            ready.send("")
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        error = serving.exception()
        raise StartRefused(
            f"port {settings.port} of {settings.host}: the server ended: {error}"
        ) from error
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await application.stop()
            await application.idle()
    server.stop()
    await asyncio.wait((serving,), timeout=ANSWER_SECONDS)


def _supervise(settings: Settings) -> None:
    """Several hub processes on one port; one that dies is started again, all end together."""
    asyncio.run(_Family(settings).run())


class _Family:
    """The processes of one `empq hub` with hubs > 1."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._children: list[SpawnProcess] = []

    async def run(self) -> None:
        """Until a signal. The first process alone meets what would refuse the start, and says it once."""
        stop = asyncio.Event()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            for _ in range(self._settings.hubs):
                self._children.append(await asyncio.to_thread(self._start))
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RESPAWN_SECONDS):
                        await stop.wait()
                for place, child in enumerate(self._children):
                    if not child.is_alive() and not stop.is_set():
                        log.error("hub_process_ended pid=%s code=%s", child.pid, child.exitcode)
                        self._children[place] = await asyncio.to_thread(self._start)
        except StartRefused:
            if (
                not stop.is_set()
            ):  # else the signal that reached us ended the process that was starting, too
                raise
        finally:
            await asyncio.to_thread(self._end)

    def _start(self) -> SpawnProcess:
        receiver, sender = self._context.Pipe(duplex=False)
        child = self._context.Process(target=_child, args=(self._settings, sender, os.getpid()))
        child.start()
        sender.close()
        with receiver:
            try:
                refusal: str = (
                    receiver.recv() if receiver.poll(START_SECONDS) else "it did not start in time"
                )
            except EOFError:
                refusal = f"a hub process ended with code {child.exitcode}"
        if refusal:
            child.kill()
            raise StartRefused(refusal)
        return child

    def _end(self) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.join(STOP_SECONDS)
            if child.is_alive():
                child.kill()


def _child(settings: Settings, ready: Connection, parent: int) -> None:
    logging.basicConfig(
        level=settings.log_level.upper(),
        format=f"%(asctime)s %(levelname)s %(name)s [{os.getpid()}] %(message)s",
    )
    try:
        uvloop.run(_with_parent(settings, ready, parent))
    except StartRefused as error:
        ready.send(str(error))


async def _with_parent(settings: Settings, ready: Connection, parent: int) -> None:
    """A child whose parent was killed ends as if it had been told to."""
    serving = asyncio.ensure_future(_serve(settings, ready))
    while not serving.done():
        await asyncio.wait((serving,), timeout=RESPAWN_SECONDS)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait((serving,), timeout=STOP_SECONDS)
            break
    await serving
