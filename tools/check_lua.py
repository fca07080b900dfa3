"""Runs luacheck over the scripts as Redis gets them, where luacheck is installed (Debian: lua-check)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from empq.store import scripts

FLAT = Path(__file__).resolve().parent.parent / "target" / "lua"
GIVEN_BY_REDIS = ("redis", "cmsgpack", "cjson", "KEYS", "ARGV")
# A script takes an include whole, and uses what it needs of it: unused names say nothing.
OPTIONS = ("--std", "lua51", "--no-unused", "--no-max-line-length", "--no-color", "--quiet")


def main() -> int:
    luacheck = shutil.which("luacheck")
    if luacheck is None:
        print("luacheck is not installed: left out")
        return 0
    FLAT.mkdir(parents=True, exist_ok=True)
    for old in FLAT.glob("*.lua"):
        old.unlink()
    for name in scripts.names():
        # The first line is for Redis, no Lua.
        body = scripts.flatten(name).partition("\n")[2]
        (FLAT / f"{name}.lua").write_text(body)
    command = [luacheck, *OPTIONS, "--read-globals", *GIVEN_BY_REDIS, "--", str(FLAT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
