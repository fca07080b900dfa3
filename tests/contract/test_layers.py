"""Imports point downwards only (CONTRIBUTING.md draws it), and no modules import each other in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from source_tree import imports, module_of, modules, parsed

BOTTOM = {"errors", "settings"}
VALUES = BOTTOM | {"model", "messages"}
STORED = VALUES | {"store"}
SERVICES = {"broker", "notify", "queue", "registry", "feed", "artifacts"}
#: part of empq -> the parts that it may import, itself besides
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "settings_sources": BOTTOM,
    "model": BOTTOM,
    "messages": BOTTOM | {"model"},
    "matching": VALUES,
    "store": VALUES,
    "artifacts": VALUES,
    "feed": STORED,
    "queue": STORED,
    "registry": STORED | {"feed"},
    # Its statistics ask the matcher which waiting shapes nobody can take.
    "notify": STORED | {"matching", "feed", "queue"},
    "broker": STORED | {"matching", "feed", "queue", "registry"},
    "api": VALUES | SERVICES,
    "hub": VALUES | SERVICES | {"api", "store", "matching", "settings_sources"},
    # What a third party could write from the contract sees no more than a third party could.
    "connectors": VALUES,
    "client": VALUES | {"settings_sources"},
    "worker": VALUES | {"connectors", "settings_sources"},
    "sim": VALUES | {"settings_sources"},
    "allinone": VALUES | {"hub", "worker", "connectors", "client", "sim", "settings_sources"},
    "cli": VALUES
    | {"allinone", "hub", "worker", "connectors", "client", "sim", "settings_sources"},
    "__main__": {"cli"},
    # `import empq` gives a user these.
    "": BOTTOM | {"client", "connectors", "worker"},
}


def part_of(module: str) -> str:
    return ([*module.split("."), ""])[1]


def upward(name: str, tree: ast.Module, known: dict[str, Path]) -> list[str]:
    """The imports of one module that the table does not allow, each as a sentence."""
    own = part_of(name)
    is_package = known[name].name == "__init__.py"
    found: list[str] = []
    for imported, line in imports(tree, name, is_package=is_package, at_start_only=False):
        target = module_of(imported, known)
        if target in (None, "empq") or part_of(target) in MAY_IMPORT[own] | {own}:
            continue
        found.append(f"{known[name]}:{line} {own or 'empq'} may not import {target}")
    return found


def start_graph(trees: dict[str, ast.Module], known: dict[str, Path]) -> dict[str, set[str]]:
    """Module -> modules that are loaded before it is; a package's own __init__ is loaded with each of its modules."""
    graph: dict[str, set[str]] = {}
    for name, tree in trees.items():
        is_package = known[name].name == "__init__.py"
        graph[name] = set()
        for imported, _ in imports(tree, name, is_package=is_package, at_start_only=True):
            target = module_of(imported, known)
            while target and target != "empq":
                if target != name and not name.startswith(target + "."):
                    graph[name].add(target)
                target = target.rpartition(".")[0]
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle, as the modules on it; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph.get(name, ())):
            if found := walk(target, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_every_part_has_a_layer() -> None:
    assert {part_of(name) for name in modules()} <= set(MAY_IMPORT)


def test_the_table_has_no_circle() -> None:
    assert circle(MAY_IMPORT) == []


def test_imports_point_downwards() -> None:
    known = modules()

    found = [line for name, path in known.items() for line in upward(name, parsed(path), known)]

    assert not found, "\n".join(found)


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()

    found = circle(start_graph({name: parsed(path) for name, path in known.items()}, known))

    assert not found, " -> ".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "from empq.store import keys",
        "import empq.store.keys",
        "def late() -> None:\n    from ..store.keys import key",
    ],
)
def test_an_upward_import_is_noticed(text: str) -> None:
    known = {
        name: Path(f"{name}.py") for name in ("empq.api.jobs", "empq.store", "empq.store.keys")
    }

    assert len(upward("empq.api.jobs", ast.parse(text), known)) == 1


def test_imports_for_types_alone_do_not_count() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from empq.store import keys\n"
    known = {
        name: Path(f"{name}.py") for name in ("empq.api.jobs", "empq.store", "empq.store.keys")
    }

    assert upward("empq.api.jobs", ast.parse(text), known) == []


def test_a_circle_inside_a_package_is_noticed() -> None:
    texts = {
        "empq.queue": "",
        "empq.queue.a": "from empq.queue import b",
        "empq.queue.b": "from empq.queue.a import x",
    }
    known = {name: Path(f"{name}.py") for name in texts}

    graph = start_graph({name: ast.parse(text) for name, text in texts.items()}, known)

    assert circle(graph) == ["empq.queue.a", "empq.queue.b", "empq.queue.a"]
