"""Ctrl-C and SIGTERM at any moment of the demo leave no process and no folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.allinone.running_up import eventually


def commands_naming(folder: Path) -> list[list[str]]:
    """Command lines of processes that work in the folder; a server's says it only by its working folder."""
    found: list[list[str]] = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if str(folder) in f"{process.info['cmdline']} {process.info['cwd']}":
            found.append(process.info["cmdline"])
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("moment", "signals"),
    [
        ("redis", [signal.SIGTERM]),
        ("logs/hub.log", [signal.SIGINT, signal.SIGINT]),
        ("logs/comfyui.log", [signal.SIGTERM, signal.SIGINT]),
        ("logs/sd15-8gb.log", [signal.SIGINT]),
    ],
)
def test_a_signal_leaves_nothing(
    tmp_path: Path, moment: str, signals: list[signal.Signals]
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    demo = subprocess.Popen(
        (sys.executable, "-m", "empq.allinone.demo", "--plain"),
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: list(temporary.glob(f"*/{moment}")))

    for number in signals:
        demo.send_signal(number)

    assert demo.wait(60) == 130
    eventually(lambda: not commands_naming(temporary))
    assert list(temporary.iterdir()) == []
