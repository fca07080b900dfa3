"""The proxy does what its faults say, seen from a bare connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import FaultProxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually


class Link:
    """One connection that never comes back by itself."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\r\n")

    def hear(self) -> bytes:
        """What comes next; b"" at the end of the connection."""
        try:
            return self._socket.recv(4096)
        except ConnectionError:
            return b""

    def ask(self, text: str) -> bytes:
        self.send(text)
        return self.hear()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    made = FaultProxy(redis_server.folder / "proxy", redis_server.socket).start()
    yield made
    made.stop()


@pytest.fixture
def link(proxy: FaultProxy) -> Iterator[Link]:
    made = Link(proxy.path)
    assert made.ask("PING") == b"+PONG\r\n"
    yield made
    made.close()


@pytest.fixture
def direct(redis_server: RedisServer) -> Iterator[Link]:
    made = Link(redis_server.socket)
    made.ask("DEL n")
    yield made
    made.close()


def test_a_delayed_answer_comes(proxy: FaultProxy, link: Link) -> None:
    proxy.set("delay")
    assert link.ask("PING") == b"+PONG\r\n"


def test_a_cut_ends_what_is_open_and_takes_what_comes(proxy: FaultProxy, link: Link) -> None:
    proxy.cut()
    assert link.hear() == b""
    again = Link(proxy.path)
    assert again.ask("PING") == b"+PONG\r\n"
    again.close()


@pytest.mark.parametrize("mode", ["silent", "no_requests"])
def test_what_is_held_back_is_done_later(
    proxy: FaultProxy, link: Link, direct: Link, mode: str
) -> None:
    proxy.set(mode)  # type: ignore[arg-type]
    link.send("INCR n")
    assert direct.ask("GET n") == b"$-1\r\n"
    proxy.set("clear")
    assert link.hear() == b":1\r\n"


def test_a_silent_proxy_holds_answers_too(proxy: FaultProxy, link: Link) -> None:
    proxy.set("silent")
    link.send("PING")
    proxy.set("clear")
    assert link.hear() == b"+PONG\r\n"


def test_lost_replies_are_of_what_was_done(proxy: FaultProxy, link: Link, direct: Link) -> None:
    def ask() -> None:
        link.send("INCR n")
        eventually(lambda: direct.ask("GET n") == b"$1\r\n1\r\n", "it is done")

    proxy.lose_replies(ask)
    assert link.hear() == b""
