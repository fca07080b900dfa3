"""Writes requirements/*.txt from pyproject.toml: every package pinned, every file hashed (`make lock`)."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
SCRATCH = ROOT / "target" / "lock"
#: What dependencies want only on a Python that is not the one that writes the lock.
ELSEWHERE = ("async-timeout>=5",)  # redis, below Python 3.11.3 (Debian 12 has 3.11.2)
OPTIONS = (
    "--quiet",
    "--generate-hashes",
    "--strip-extras",
    "--allow-unsafe",
    "--annotation-style=line",
    "--resolver=backtracking",
    # No registry is named in the lock: whoever installs says where from.
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--no-emit-options",
)


def wanted() -> dict[str, list[str]]:
    """The demands of each lock, as pyproject.toml states them; dev holds the runtime's too."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = [
        *stated["project"]["dependencies"],
        *stated["project"]["optional-dependencies"]["embedded"],
        *ELSEWHERE,
    ]
    return {"runtime": runtime, "dev": [*runtime, *stated["dependency-groups"]["dev"]]}


def compile_lock(name: str, demands: list[str], upgrade: bool) -> None:
    """One lock; versions that it already holds stay unless `upgrade`."""
    source = SCRATCH / f"{name}.in"
    lines = list(demands)
    if name != "runtime":
        lines.insert(0, f"-c {os.path.relpath(LOCKS / 'runtime.txt', SCRATCH)}")
    source.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "piptools", "compile", *OPTIONS]
    command += ["--upgrade"] if upgrade else []
    command += ["--output-file", os.path.relpath(LOCKS / f"{name}.txt", SCRATCH), source.name]
    environment = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
    environment["CUSTOM_COMPILE_COMMAND"] = "make lock"
    subprocess.run(command, cwd=SCRATCH, env=environment, check=True)


def main() -> None:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    LOCKS.mkdir(exist_ok=True)
    for name, demands in wanted().items():
        compile_lock(name, demands, upgrade="--upgrade" in sys.argv[1:])


if __name__ == "__main__":
    main()
