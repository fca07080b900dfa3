"""The environment of a new user: no settings, an empty home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EMPQ_") or name == "EMPQ_MATCHER"
    }
    home = {"XDG_DATA_HOME": str(tmp_path / "share"), "HOME": str(tmp_path)}
    return {**kept, **home, "EMPQ_LEASE_SECONDS": "2"}
