"""No file says where packages come from: whoever installs decides. Cargo.lock's own source lines are Cargo's."""

from __future__ import annotations

import re
from pathlib import Path

from source_tree import ROOT, tracked_files

# In pieces, so that this file does not name them either.
HOSTS = tuple(
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("crates", "io"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
        ("debian", "org"),
        ("ubuntu", "com"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
)
NAMED = re.compile("|".join(re.escape(host) for host in HOSTS))
OPTIONS = re.compile(
    r"^\s*(?:--(?:extra-)?index-url|-i\s|--find-links|--trusted-host)", re.MULTILINE
)


def named_hosts(path: Path) -> list[str]:
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return []
    found = NAMED.findall(text)
    if path.suffix == ".txt":
        found += OPTIONS.findall(text)
    return [f"{path.relative_to(ROOT)}: {host}" for host in found]


def test_no_file_names_a_registry() -> None:
    files = [path for path in tracked_files() if path.name != "Cargo.lock"]

    found = [line for path in files for line in named_hosts(path)]

    assert ROOT / "requirements" / "dev.txt" in files
    assert not found, found


def test_a_named_host_would_be_seen() -> None:
    assert NAMED.search("https://files." + HOSTS[1] + "/x")
