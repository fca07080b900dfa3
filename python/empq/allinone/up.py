"""`empq up`: an embedded Redis, a hub and simulated workers in one command; data survives, nothing stays behind."""

from __future__ import annotations

import asyncio
import errno
import shutil
import signal
import socket
import sys
from collections.abc import Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from empq.allinone.answers import Workers, read
from empq.allinone.children import Child, Family, first_of
from empq.allinone.data_folder import ADDRESS_FILE, KEY_FILE, default_data_folder, kept_key
from empq.allinone.embedded_redis import EmbeddedRedis
from empq.allinone.rest_calls import Hub, HubRefused, HubUnreachable
from empq.errors import StartRefused
from empq.settings import LOOPBACK
from empq.settings_sources import environment, load

READY_SECONDS, WORKERS_SECONDS = 60.0, 15.0
READY_POLL_SECONDS = 0.05
GRACE_SECONDS = 5
WORKERS_END_SECONDS, HUB_END_SECONDS = 15.0, 15.0
REDIS_CHECK_SECONDS = 1.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class Plan(NamedTuple):
    """What one `empq up` runs."""

    data: Path
    host: str
    port: int
    workers: int
    key: str | None
    artifacts: str
    is_strict: bool
    accept_dataset: bool

    @property
    def address(self) -> str:
        """The hub's address as seen from this machine."""
        return address(self.host, self.port)


def run(
    data: Path | None,
    workers: int,
    host: str | None,
    port: int | None,
    no_auth: bool,
    accept_dataset: bool = False,
) -> int:
    """Runs until Ctrl-C or SIGTERM; None = what settings say. Raises StartRefused."""
    redis = EmbeddedRedis(data or default_data_folder())
    with ended_by_sigterm():
        redis.claim()
        try:
            stated = {"host": host, "port": port, "no_auth": no_auth or None}
            plan = _plan(
                redis.folder, workers, {**stated, "accept_dataset": accept_dataset or None}
            )
            require_free_port(plan.host, plan.port)
            redis.syncs_always = plan.is_strict
            redis.start()
            return asyncio.run(_Up(plan, redis).run())
        finally:
            redis.stop()
    return 0


def address(host: str, port: int) -> str:
    """The http address of a hub that listens there."""
    reached = WILDCARDS.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def require_free_port(host: str, port: int) -> None:
    """Raises StartRefused, naming the port and what to do, unless one could listen there now."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartRefused(
                f"port {port} on {host} is taken by another program: "
                "stop that one, or choose another port with --port"
            ) from None
        raise StartRefused(f"cannot listen on {host} port {port}: {error.strerror}") from None


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


async def ready(hub_address: str) -> None:
    """Waits until the hub says that it is ready."""
    hub = Hub(hub_address, None)
    while True:
        with suppress(HubUnreachable, HubRefused):
            await asyncio.to_thread(hub.get, "/readyz", None, 5)
            hub.close()
            return
        await asyncio.sleep(READY_POLL_SECONDS)


async def registered(hub: Hub, worker_ids: set[str]) -> None:
    """Waits until the hub knows all these workers."""
    while True:
        with suppress(HubUnreachable):
            workers = read(await asyncio.to_thread(hub.get, "/api/workers"), Workers).workers
            if worker_ids <= {worker.worker_id for worker in workers}:
                hub.close()
                return
        await asyncio.sleep(READY_POLL_SECONDS)


def command_name() -> str:
    """How a user calls empq in another terminal of this folder."""
    beside = Path(sys.executable).parent / "empq"
    found = shutil.which("empq")
    if (found and Path(found).parent == beside.parent) or not beside.exists():
        return "empq"
    with suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)


def _plan(data: Path, workers: int, flags: Mapping[str, object]) -> Plan:
    settings = load({name: value for name, value in flags.items() if value is not None}).settings
    if settings.no_auth and settings.host not in LOOPBACK:
        raise StartRefused(
            f"--no-auth listens on loopback addresses only, not on {settings.host}: leave one out"
        )
    artifacts = settings.artifacts or (data / "artifacts").as_uri()
    key = None if settings.no_auth else settings.admin_key or kept_key(data)
    port = settings.port or free_port()
    strict = settings.durability == "strict"
    return Plan(data, settings.host, port, workers, key, artifacts, strict, settings.accept_dataset)


class _Up:
    """One run: everything that is started, and the order in which it ends."""

    def __init__(self, plan: Plan, redis: EmbeddedRedis) -> None:
        self.plan = plan
        self.redis = redis
        self.stopping = asyncio.Event()
        self.family = Family(plan.data / "logs", self._environment(), redis.users_lock)
        self.hub = self.family.child("hub", *self._hub_arguments())
        self.workers = [self._worker(number) for number in range(1, plan.workers + 1)]
        self._background: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        """Starts, waits for the signal, stops; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        try:
            if not await self._start():
                return 0 if self.stopping.is_set() else 1
            await self.stopping.wait()
            return 0
        finally:
            await self._stop()

    async def _start(self) -> bool:
        await self.hub.start()
        came = await first_of(
            READY_SECONDS, ready(self.plan.address), self.hub.ended(), self.stopping.wait()
        )
        if came != 0:
            if not self.stopping.is_set():
                _say(f"the hub did not start: {self.hub.last_words()} (see {self.hub.log})")
            return False
        for worker in self.workers:
            await worker.start()
        for child in (self.hub, *self.workers):
            self._keep(child.keep(_say))
        names = {worker.name for worker in self.workers}
        arrived = registered(Hub(self.plan.address, self.plan.key), names)
        if await first_of(WORKERS_SECONDS, arrived, self.stopping.wait()) is None:
            _say(f"not all of {', '.join(sorted(names))} have registered yet")
        self._keep(self._watch_redis())
        (self.plan.data / ADDRESS_FILE).write_text(self.plan.address + "\n")
        if not self.stopping.is_set():
            _say(welcome(self.plan, self.redis.taken_over))
        return True

    async def _stop(self) -> None:
        if self.hub.process is not None and not self.family.hurry.is_set():
            _say("stopping the workers, the hub and Redis (Ctrl-C again: at once)")
        (self.plan.data / ADDRESS_FILE).unlink(missing_ok=True)
        await self.family.stop(self.workers, WORKERS_END_SECONDS)
        await self.family.stop([self.hub], HUB_END_SECONDS)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.to_thread(self.redis.stop)
        self.family.close()

    async def _watch_redis(self) -> None:
        while True:
            await asyncio.sleep(REDIS_CHECK_SECONDS)
            try:
                if await asyncio.to_thread(self.redis.revive):
                    _say("Redis ended unexpectedly and was started again")
            except StartRefused as refused:
                _say(str(refused))

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        self._background.append(asyncio.create_task(work))

    def _signalled(self) -> None:
        if self.stopping.is_set():
            self.family.hurry.set()
        self.stopping.set()

    def _environment(self) -> dict[str, str]:
        """The children's: the key travels here, where no process list shows it."""
        passed = dict(environment())
        for name in ("EMPQ_ADMIN_KEY", "EMPQ_NO_AUTH", "EMPQ_TOKEN"):
            passed.pop(name, None)
            passed.pop(f"{name}_FILE", None)
        if self.plan.key is not None:
            passed |= {"EMPQ_ADMIN_KEY": self.plan.key, "EMPQ_TOKEN": self.plan.key}
        return passed

    def _hub_arguments(self) -> tuple[str, ...]:
        plan = self.plan
        stated = ("--redis", self.redis.url, "--host", plan.host, "--port", str(plan.port))
        auth = () if plan.key is not None else ("--no-auth",)
        accept = ("--accept-dataset",) if plan.accept_dataset else ()
        return (
            "hub",
            *stated,
            "--artifacts",
            plan.artifacts,
            "--data",
            str(plan.data),
            *auth,
            *accept,
        )

    def _worker(self, number: int) -> Child:
        name = f"sim-{number}"
        return self.family.child(
            name,
            *("worker", "--simulate", "--id", name, "--hub", self.plan.address),
            *("--grace", str(GRACE_SECONDS)),
        )


def welcome(plan: Plan, taken_over: bool) -> str:
    """What a person sees once everything runs."""
    empq = command_name()
    is_default = plan.data == default_data_folder().resolve()
    lines = [f"empq is up at {plan.address} (Ctrl-C stops it)"]
    if plan.key is not None:
        lines.append(f"  admin key  {plan.key} (kept in {plan.data / KEY_FILE})")
    else:
        lines.append("  admin key  none: every caller on this machine may do everything")
    lines.append(f"  data       {plan.data} (logs in {plan.data / 'logs'})")
    if taken_over:
        lines.append("             with the Redis that an earlier run had left behind")
    if plan.workers:
        last = f" to sim-{plan.workers}" if plan.workers > 1 else ""
        lines.append(f"  workers    sim-1{last}, simulated")
    lines.append("Try it in another terminal:")
    if not is_default:
        key = "" if plan.key is None else f" EMPQ_ADMIN_KEY={plan.key}"
        lines.append(f"  export EMPQ_HUB={plan.address}{key}")
    lines.append(f"  {empq} submit simulation -p steps=20 -p step_ms=100 --watch")
    return "\n".join(lines)


@contextmanager
def ended_by_sigterm() -> Generator[None, None, None]:
    """SIGTERM and SIGHUP before the loop runs end what is started so far, as Ctrl-C does."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, flush=True)
