"""store/keys.py alone spells Redis keys, and the scripts take theirs from its table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from source_tree import LUA, PACKAGE, ROOT, parsed

OWNER = PACKAGE / "store" / "keys.py"
# `empq: a sentence` is what the command line says, `urn:empq:` no key either.
KEY = re.compile(r"(?<![\w:.])empq:(?!\s)")


def spelled_keys(tree: ast.Module) -> list[int]:
    """Lines of string constants that hold the prefix; prose in docstrings does not count."""
    prose = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and node not in prose
        and isinstance(node.value, str)
        and KEY.search(node.value)
    ]


def without_comments(text: str) -> str:
    """A script's lines, each without what follows `--`."""
    return "\n".join(line.partition("--")[0] for line in text.splitlines())


def bare_arguments(text: str) -> list[int]:
    """Lines that use KEYS or ARGV below the first line of code, which names them."""
    code = [
        (number, line)
        for number, line in enumerate(without_comments(text).splitlines(), 1)
        if line.strip()
    ]
    named = 0
    while named < len(code) and code[named][1].startswith("local ") and "=" in code[named][1]:
        if not re.search(r"\b(KEYS|ARGV)\b", code[named][1]):
            break
        named += 1
    return [number for number, line in code[named:] if re.search(r"\b(KEYS|ARGV)\b", line)]


def test_no_other_module_spells_a_key() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if path != OWNER
        for line in spelled_keys(parsed(path))
    ]

    assert not found, found
    assert spelled_keys(parsed(OWNER)), "the owner itself is not recognised"


def scripts() -> list[Path]:
    return sorted(LUA.rglob("*.lua"))


def test_there_are_scripts() -> None:
    assert len(scripts()) > 12


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_a_script_takes_its_keys_from_the_table(path: Path) -> None:
    text = path.read_text()

    assert not KEY.search(without_comments(text))
    assert bare_arguments(text) == []


def test_a_spelled_key_is_noticed() -> None:
    tree = ast.parse("'''empq:{p0}:jobs'''\nx = f'empq:{y}'\nz = 'empq: no hub'\nu = 'urn:empq:a'")

    assert spelled_keys(tree) == [2]


def test_a_bare_argument_is_noticed() -> None:
    assert bare_arguments("-- KEYS[1]\nlocal a = ARGV[1]\n\nlocal b = 1\nreturn KEYS[2]\n") == [5]
