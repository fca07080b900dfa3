"""What the faults happen to: a Redis, hubs each behind a proxy of its own, and the nemesis that breaks them."""

from __future__ import annotations

import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import redis

from empq.store.keys import key
from tests.chaos.plan import Fault
from tests.chaos.proxy import FaultProxy
from tests.support.processes import Hub
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually, outlast

LEASE_SECONDS = 2


class World:
    """Started whole; `fault` plays one, `heal` ends them all."""

    def __init__(self, folder: Path, hubs: int) -> None:
        # A kill must lose nothing that was acknowledged: everysec may put a write off for two seconds.
        self.redis = RedisServer("--appendfsync", "always").start()
        self.proxies = [
            FaultProxy(self.redis.folder / f"p{number}", self.redis.socket).start()
            for number in range(hubs)
        ]
        self.hubs = [
            Hub(proxy.url, folder, name=f"hub-{number}", EMPQ_LEASE_SECONDS=str(LEASE_SECONDS))
            for number, proxy in enumerate(self.proxies)
        ]
        for hub in self.hubs:
            hub.start()
        self.played: Counter[str] = Counter()
        #: seconds from the end of each fault to the next result that a hub acknowledged, by kind
        self.recovery: defaultdict[str, list[float]] = defaultdict(list)

    def close(self) -> None:
        for hub in self.hubs:
            hub.kill()
        for proxy in self.proxies:
            proxy.stop()
        self.redis.stop()

    def fault(self, fault: Fault, over: threading.Event) -> None:
        """One fault, and its end."""
        outlast(fault.quiet)
        if not over.is_set():
            FAULTS[fault.kind](self, fault)
            self.played[fault.kind] += 1

    def heal(self) -> None:
        """Everything runs and is connected again."""
        for proxy in self.proxies:
            proxy.set("clear")
        for hub in self.hubs:
            hub.until_ready()

    def hub_killed(self, fault: Fault) -> None:
        hub = self.hubs[fault.hub]
        hub.kill()
        outlast(fault.seconds)
        hub.start()

    def hub_stopped(self, fault: Fault) -> None:
        hub = self.hubs[fault.hub]
        assert hub.stop() == 0, hub.text
        outlast(fault.seconds)
        hub.start()

    def hub_frozen(self, fault: Fault) -> None:
        hub = self.hubs[fault.hub]
        processes = hub.family()
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        outlast(fault.seconds)
        for process in processes:
            process.send_signal(signal.SIGCONT)

    def redis_killed(self, fault: Fault) -> None:
        self.redis.kill()
        outlast(fault.seconds)
        self.redis.start()
        for hub in self.hubs:
            hub.until_ready()

    def redis_frozen(self, fault: Fault) -> None:
        self.redis.signal(signal.SIGSTOP)
        outlast(fault.seconds)
        self.redis.signal(signal.SIGCONT)

    def link_cut(self, fault: Fault) -> None:
        self.proxies[fault.hub].cut()

    def link(self, mode: str) -> Callable[[Fault], None]:
        def play(fault: Fault) -> None:
            proxy = self.proxies[fault.hub]
            proxy.set(mode)  # type: ignore[arg-type]
            outlast(fault.seconds)
            proxy.set("clear")

        return play

    def replies_lost(self, fault: Fault) -> None:
        self.proxies[fault.hub].lose_replies(lambda: outlast(fault.seconds))

    def ask(self, *command: str) -> None:
        with redis.Redis(unix_socket_path=str(self.redis.socket)) as link:
            link.execute_command(*command)

    def index_follows(self) -> None:
        """Each hub's index holds what Redis counts as queued."""
        for hub in self.hubs:

            def is_true(hub: Hub = hub) -> bool:
                stats = hub.http.get("/api/stats")
                return stats["index"]["jobs"] == stats["jobs"]["queued"]

            eventually(is_true, f"the index of {hub.name} is true")


FAULTS: dict[str, Callable[[World, Fault], None]] = {
    "hub killed": World.hub_killed,
    "hub stopped": World.hub_stopped,
    "hub frozen": World.hub_frozen,
    "redis killed": World.redis_killed,
    "redis frozen": World.redis_frozen,
    "link cut": World.link_cut,
    "link delayed": lambda world, fault: world.link("delay")(fault),
    "link silent": lambda world, fault: world.link("silent")(fault),
    "requests held": lambda world, fault: world.link("no_requests")(fault),
    "replies lost": World.replies_lost,
    "scripts forgotten": lambda world, fault: world.ask("SCRIPT", "FLUSH"),
    "log trimmed": lambda world, fault: world.ask("XTRIM", key("events"), "MAXLEN", "0"),
}
