"""`make demo` without a terminal: plain lines with progress, every job done, no process and no folder left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest


@pytest.mark.timeout(240)
def test_the_demo_runs_from_start_to_end_even_with_standard_input_closed(tmp_path: Path) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()

    ran = subprocess.run(
        ("sh", "-c", 'exec "$0" -m empq.allinone.demo <&-', sys.executable),
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    assert "%" in ran.stdout
    assert "SDXL, priority 75" in ran.stdout
    assert "never: " in ran.stdout
    pictures = list((tmp_path / "demo-output").iterdir())
    assert pictures
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert list(temporary.iterdir()) == []
    commands = [str(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(temporary) in command]
