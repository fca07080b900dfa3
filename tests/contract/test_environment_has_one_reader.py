"""The environment is read in files named settings_sources.py alone."""

from __future__ import annotations

import ast

import pytest

from source_tree import PACKAGE, ROOT, parsed

READERS = {"environ", "environb", "getenv", "getenvb"}
ALLOWED = "settings_sources.py"


def reads(tree: ast.Module) -> list[int]:
    """Lines where the environment is reached through os."""
    lines: list[int] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READERS:
            lines.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            lines += [node.lineno for alias in node.names if alias.name in READERS]
    return lines


def test_only_settings_sources_read_the_environment() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path.name != ALLOWED]

    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in reads(parsed(path))]

    assert not found, found
    assert reads(parsed(PACKAGE / ALLOWED)), "the reader itself is not recognised"


@pytest.mark.parametrize(
    "text", ["import os\nos.environ['A']", "from os import getenv", "import os as o\no.getenv('A')"]
)
def test_a_second_reader_is_noticed(text: str) -> None:
    assert len(reads(ast.parse(text))) == 1
