"""The tree as the contract tests read it: files and modules of empq, found from here."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"
PACKAGE = PYTHON / "empq"
LUA = PACKAGE / "store" / "lua"


def tracked_files() -> list[Path]:
    """What git knows or would take in; in a tree without git (a source archive), all but what is built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        built = {".venv", "target", "__pycache__", ".git"}
        paths = [path for path in ROOT.rglob("*") if not built & set(path.parts)]
    return sorted(path for path in paths if path.is_file())


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found: dict[str, Path] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PYTHON).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def parsed(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def is_type_checking(node: ast.AST) -> bool:
    """Whether this is `if TYPE_CHECKING:`, which never runs."""
    if not isinstance(node, ast.If):
        return False
    name = node.test.attr if isinstance(node.test, ast.Attribute) else node.test
    return (name.id if isinstance(name, ast.Name) else name) == "TYPE_CHECKING"


def imports(
    tree: ast.Module, name: str, *, is_package: bool, at_start_only: bool
) -> Iterator[tuple[str, int]]:
    """(imported dotted name, line); `at_start_only` leaves out what functions import when they are called."""
    waiting: list[ast.AST] = list(tree.body)
    package = name if is_package else name.rpartition(".")[0]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif is_type_checking(node):
            waiting += node.orelse  # type: ignore[attr-defined]
        elif not (
            at_start_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            waiting += ast.iter_child_nodes(node)


def module_of(imported: str, known: dict[str, Path]) -> str | None:
    """The module of ours that an imported name is, or lies in; None for others'."""
    while imported:
        if imported in known:
            return imported
        imported = imported.rpartition(".")[0]
    return None
