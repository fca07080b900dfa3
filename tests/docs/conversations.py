"""Conversations of docs/protocol.md: fenced blocks of `>` and `<` lines, said to a real hub.

A word of capitals stands for a value: the first answer that shows it fixes it, later lines use it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.processes import Hub
from tests.support.sockets import Socket

BLOCK = re.compile(r"^```(http|worker|client)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"[A-Z]{3,}")


class Line(NamedTuple):
    """One line: over what it travels, whether it is sent, and its text."""

    way: str
    is_sent: bool
    text: str


def lines(page: str) -> Iterator[Line]:
    """All lines of a page's conversations, in order."""
    for way, block in BLOCK.findall(page):
        for line in block.splitlines():
            assert line[:2] in ("> ", "< "), line
            yield Line(way, line[0] == ">", line[2:])


class Conversation:
    """Says what is to be said and compares what comes back."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._sockets: dict[str, Socket] = {}
        self._values: dict[str, str] = {}
        self._answer: Any = None
        #: what was compared: (line, answer)
        self.heard = 0

    def close(self) -> None:
        for socket in self._sockets.values():
            socket.close()

    def run(self, line: Line) -> None:
        if line.is_sent:
            self._say(line.way, self._filled(line.text))
        else:
            self._hear(line)

    def _say(self, way: str, text: str) -> None:
        if way == "http":
            method, path, *body = text.split(" ", 2)
            self._answer = self._hub.http(method, path, json.loads(body[0]) if body else None)
            return
        if way not in self._sockets:
            self._sockets[way] = self._hub.socket(f"/ws/{way}")
        self._sockets[way].send_text(text)

    def _hear(self, line: Line) -> None:
        if line.way == "http":
            status, _, body = line.text.partition(" ")
            assert self._answer.status == int(status), (line, self._answer)
            if body:
                self._compare(json.loads(body), self._answer.json, line.text)
        else:
            shown = json.loads(line.text)
            answered = {name: shown[name] for name in ("reply_to",) if name in shown}
            came = self._sockets[line.way].expect(shown["type"], **answered)
            self._compare(shown, came, line.text)
        self.heard += 1

    def _compare(self, shown: Any, came: Any, where: str) -> None:
        if isinstance(shown, str) and NAME.fullmatch(shown):
            assert isinstance(came, str), where
            assert self._values.setdefault(shown, came) == came or shown in FRESH, where
            return
        assert type(shown) is type(came) or {type(shown), type(came)} == {int, float}, (where, came)
        if isinstance(shown, dict):
            for name, value in shown.items():
                assert name in came, (name, where, came)
                self._compare(value, came[name], where)
        elif isinstance(shown, list):
            assert len(shown) == len(came), (where, came)
            for one, other in zip(shown, came, strict=True):
                self._compare(one, other, where)
        else:
            assert shown == came or where.find("lease_ms") >= 0, (where, came)

    def _filled(self, text: str) -> str:
        return NAME.sub(lambda word: self._values.get(word[0], word[0]), text)


#: Shown again and again with values of their own.
FRESH = frozenset({"TIME", "TITLE", "DETAIL", "REQUEST", "TEXT", "RULE", "EVENT"})
