"""What README and CONTRIBUTING tell a reader to type exists: make targets, commands of empq, their options."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from source_tree import ROOT

README = ROOT / "README.md"
PAGES = (README, ROOT / "CONTRIBUTING.md")
FENCED = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What every machine has; these lines are not ours to prove.
FOREIGN = {"git", "cd", "curl", "export", "docker", "cat", "cp", "open"}


def typed_lines(text: str) -> Iterator[list[str]]:
    """The commands in the fenced blocks, as words, each up to a pipe or the like."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            command: list[str] = []
            for word in [*words, "&&"]:
                if word not in {"&&", "|", ";", "&", "||", ">"}:
                    command.append(word)
                elif command:
                    yield without_assignments(command)
                    command = []


def without_assignments(words: list[str]) -> list[str]:
    first = next((i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), 0)
    return words[first:]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def help_of(script: str, *subcommands: str) -> str | None:
    """The help text of one of our commands; None where there is no such command."""
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "scripts"
    ][script].partition(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {script!r}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", code, *subcommands, "--help"],
        cwd=ROOT,
        # Wide enough that no option is cut.
        env={**os.environ, "COLUMNS": "240", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def wrong_command(words: list[str]) -> str | None:
    """Why this cannot be typed, or None."""
    program, arguments = Path(words[0]).name, words[1:]
    if program == "make":
        targets = [word for word in arguments if "=" not in word and not word.startswith("-")]
        return next((f"no target {name}" for name in targets if name not in make_targets()), None)
    if program in {"empq", "empq-worker"}:
        depth = 0 if program == "empq-worker" else 2 if arguments[:1] == ["sim"] else 1
        subcommands = [word for word in arguments[:depth] if not word.startswith("-")]
        text = help_of(program, *subcommands)
        if text is None:
            return f"no command {' '.join([program, *subcommands])}"
        options = [word.partition("=")[0] for word in arguments if re.match(r"--[a-z]", word)]
        return next((f"no option {name}" for name in options if name not in text), None)
    if program in {"python", "python3"} or program in FOREIGN:
        files = [word for word in arguments if word.endswith(".py")]
        return next((f"no file {name}" for name in files if not (ROOT / name).exists()), None)
    return f"unknown program {program}"


def test_the_readme_shows_the_way_in() -> None:
    typed = list(typed_lines(README.read_text()))

    assert ["make", "demo"] in typed
    assert any(Path(words[0]).name == "empq" for words in typed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_page_exists(page: Path) -> None:
    wrong = [
        f"{shlex.join(words)}: {why}"
        for words in typed_lines(page.read_text())
        if (why := wrong_command(words))
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("make everything", "no target everything"),
        ("empq fly", "no command empq fly"),
        ("empq up --wings", "no option --wings"),
        ("brew install empq", "unknown program brew"),
        ("python examples/none.py", "no file examples/none.py"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str, said: str) -> None:
    (words,) = typed_lines(f"```sh\n{line}\n```\n")

    assert wrong_command(words) == said
