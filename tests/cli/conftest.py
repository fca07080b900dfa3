"""`empq` as a process against a fake hub, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.cli.fake_hub import FakeHub, running


class Empq(Protocol):
    """Runs the command line and gives what it printed and its exit code."""

    def __call__(
        self, *arguments: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture
def fake_hub() -> Iterator[FakeHub]:
    with running() as hub:
        yield hub


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMPQ_")}
    return {**kept, "XDG_DATA_HOME": str(tmp_path / "share"), "HOME": str(tmp_path)}


@pytest.fixture
def empq(fake_hub: FakeHub, clean_environment: dict[str, str]) -> Empq:
    def run(
        *arguments: str, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            (sys.executable, "-m", "empq", *arguments),
            input=stdin,
            capture_output=True,
            env={**clean_environment, "EMPQ_HUB": fake_hub.url, **environment},
            timeout=60,
            check=False,
        )

    return run
