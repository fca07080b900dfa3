"""requirements/*.txt hold what pyproject.toml asks for, each version pinned and each file hashed (`make lock`)."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from source_tree import ROOT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def demands(name: str) -> list[Requirement]:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [
        *stated["project"]["dependencies"],
        *stated["project"]["optional-dependencies"]["embedded"],
    ]
    if name == "dev":
        lines += [*stated["build-system"]["requires"], *stated["dependency-groups"]["dev"]]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_the_lock_meets_every_demand(name: str) -> None:
    pinned = {
        canonicalize_name(package): version for package, version in PINNED.findall(lock(name))
    }

    unmet = [
        str(demand)
        for demand in demands(name)
        if pinned.get(canonicalize_name(demand.name), "none") not in demand.specifier
    ]

    assert not unmet, unmet


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_every_package_is_hashed(name: str) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock(name), flags=re.MULTILINE)[1:]

    assert len(blocks) > 20
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_both_locks_agree() -> None:
    assert set(PINNED.findall(lock("runtime"))) <= set(PINNED.findall(lock("dev")))
