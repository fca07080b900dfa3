"""Each module is imported alone, in a fresh interpreter, where a warning is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from source_tree import ROOT, modules

EXTENSION = "empq.matching._rust"


def import_alone(module: str) -> str:
    """What the import says on its way down; empty where it succeeds."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0 and not done.stdout:
        return ""
    if os.environ.get("MATCHER") == "python" and f"No module named '{EXTENSION}'" in done.stderr:
        return ""
    return f"{module}: {done.stdout}{done.stderr.strip().splitlines()[-1:]}"


@pytest.mark.timeout(300)
def test_each_module_can_be_imported_alone() -> None:
    names = [name for name in modules() if not name.endswith("__main__")]

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(import_alone, names) if failure]

    assert len(names) > 15
    assert not failures, "\n".join(failures)
