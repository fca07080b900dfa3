"""One version: Cargo's workspace states it, the changelog's top release and the package equal it."""

from __future__ import annotations

import re
import tomllib

import empq
from source_tree import ROOT


def cargo_version() -> str:
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    return str(manifest["workspace"]["package"]["version"])


def headings() -> list[str]:
    return re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_unreleased_stands_open_above_the_released_version() -> None:
    assert headings()[:2] == ["Unreleased", cargo_version()]


def test_the_package_has_cargo_s_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert "version" in project["dynamic"]
    assert empq.__version__ == cargo_version()
