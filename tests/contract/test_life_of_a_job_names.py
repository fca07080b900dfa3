"""Each step of "the life of a job" in docs/architecture.md names a file and a function that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from source_tree import PACKAGE, ROOT

PAGE = ROOT / "docs" / "architecture.md"
STEP = re.compile(r"^(?:\d+\.|[-*])\s")
NAME = re.compile(r"`([\w./-]+\.(?:py|rs|lua))(?::([\w.]+))?`")


def steps() -> list[str]:
    """The list lines of the section, which is the page's first."""
    text = PAGE.read_text()
    sections = re.split(r"^#+ ", text, flags=re.MULTILINE)
    section = next(part for part in sections if part.lower().startswith("the life of a job"))
    return [line for line in section.splitlines() if STEP.match(line)]


def python_names(path: Path) -> set[str]:
    """Functions and classes of a module, methods as Class.method."""
    found: set[str] = set()

    def collect(body: list[ast.stmt], before: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.update({before + node.name, node.name})
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{node.name}.")

    collect(ast.parse(path.read_text()).body, "")
    return found


def wrong_name(file: str, function: str) -> str | None:
    """Why `file:function` does not stand, or None; paths count from the root or from python/empq."""
    path = next((base / file for base in (ROOT, PACKAGE) if (base / file).is_file()), None)
    if path is None:
        return f"no file {file}"
    if path.suffix == ".lua":
        return None if not function else f"{file}: a script has one entry, name no function"
    if not function:
        return f"{file}: no function is named"
    if path.suffix == ".rs":
        last = function.rpartition(".")[2]
        named = re.search(rf"\bfn {last}\b", path.read_text()) is not None
    else:
        named = function in python_names(path)
    return None if named else f"{file} has no {function}"


def test_every_step_names_where_it_happens() -> None:
    silent = [line for line in steps() if not NAME.search(line)]

    assert len(steps()) >= 8
    assert not silent, silent


def test_the_names_exist() -> None:
    wrong = [why for line in steps() for name in NAME.findall(line) if (why := wrong_name(*name))]

    assert not wrong, wrong


@pytest.mark.parametrize(
    ("file", "function", "said"),
    [
        ("model/lifecycle.py", "may", None),
        ("python/empq/errors.py", "InvalidField.at", None),
        ("model/lifecycle.py", "might", "model/lifecycle.py has no might"),
        ("model/nowhere.py", "may", "no file model/nowhere.py"),
        ("model/lifecycle.py", "", "model/lifecycle.py: no function is named"),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(file: str, function: str, said: str | None) -> None:
    assert wrong_name(file, function) == said
