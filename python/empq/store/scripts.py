"""The Lua scripts: files with includes, flattened once. `python -m empq.store.scripts NAME` prints one.

A line `-- @include name` stands for include/name.lua (each once, depth first); `keys`, `record` and
`lifecycle` are generated from keys.py, record.py and model/lifecycle.py, so nothing is kept in step by hand.
"""

from __future__ import annotations

import hashlib
import re
import sys
from functools import cache
from pathlib import Path

from empq.store import keys, record

FOLDER = Path(__file__).parent / "lua"
INCLUDE = re.compile(r"^-- @include (\w+)$", re.MULTILINE)
GENERATED = {"keys": keys.lua_include, "record": record.lua_include}
#: Submissions alone are refused where Redis is full, so that the queue drains.
REFUSED_WHEN_FULL = frozenset({"submit_jobs"})


class Script:
    """One flattened script and the SHA1 by which Redis knows it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text).hexdigest().encode()


def names() -> list[str]:
    """All scripts, one per state change."""
    return sorted(path.stem for path in FOLDER.glob("*.lua"))


def flatten(name: str, overrides: dict[str, str] | None = None) -> str:
    """A script's text as Redis gets it; `overrides` replaces includes (tests give now_ms an offset)."""
    seen: set[str] = set()

    def expand(text: str) -> str:
        return INCLUDE.sub(lambda match: included(match[1]), text)

    def included(include: str) -> str:
        if include in seen:
            return ""
        seen.add(include)
        if overrides and include in overrides:
            return overrides[include]
        if include in GENERATED:
            return GENERATED[include]()
        return expand((FOLDER / "include" / f"{include}.lua").read_text())

    flags = "" if name in REFUSED_WHEN_FULL else " flags=allow-oom"
    return f"#!lua{flags}\n" + expand((FOLDER / f"{name}.lua").read_text())


@cache
def load(name: str) -> Script:
    """A script by name."""
    return Script(name, flatten(name))


if __name__ == "__main__":
    sys.stdout.write(flatten(sys.argv[1]))
