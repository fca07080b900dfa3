"""What a script's header says is true of its body, the table of moves and the error codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from empq import errors
from empq.model.lifecycle import MOVES
from source_tree import LUA

FIELDS = ("moves", "keys", "args", "returns", "emits", "includes")
INCLUDE = re.compile(r"^-- @include (\w+)$", re.MULTILINE)
#: A table whose first item is a word, in a place from where it goes to the caller.
TOKEN = re.compile(r"(?:\breturn|\bpack\(|\bresults\[[^\n=]*=)\s*\{\s*\"([a-z_]+)\"")
EVENT = re.compile(
    r"\"(job_(?!id\b)[a-z]+|worker_(?!id\b)[a-z]+|workflow_[a-z]+|(?:settings|pauses|customer)_changed|epoch_began)\""
)
EVENTS = {
    *["job_pending", "job_queued", "job_assigned", "job_started", "job_retrying", "job_completed"],
    *["job_failed", "job_timeout", "job_cancelled", "workflow_completed"],
    *["worker_registered", "worker_status", "worker_disconnected"],
    *["settings_changed", "pauses_changed", "customer_changed", "epoch_began"],
}
#: Answers that the store deals with itself: no user sees them as a code.
INTERNAL = {
    *["ok", "replayed", "refused", "no_dataset", "stale_index", "stale_worker", "settings_differ"],
    *["unsettled", "jobs_are_queued", "ageing_with_order"],
    *["other_dataset", "rolled_back"],
}
CODES = {
    error.code
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.EmpqError)
}


class Script(NamedTuple):
    """A script in three parts."""

    name: str
    header: list[str]
    body: str

    def field(self, name: str) -> str:
        """What the header says under a name."""
        line = next(line for line in self.header if line.startswith(f"-- {name}"))
        return line[len(f"-- {name}") :].strip()


def read_script(path: Path) -> Script:
    lines = path.read_text().splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("-- ")), len(lines))
    return Script(path.stem, lines[:end], "\n".join(lines[end:]))


def split_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def stated_moves(text: str) -> list[tuple[str, set[str], set[str]]]:
    """`event: a, b -> c; event2: …` as (event, states before, states after)."""
    moves: list[tuple[str, set[str], set[str]]] = []
    for part in text.split(";") if text != "nothing" else []:
        event, _, states = part.partition(":")
        before, _, after = (side.strip() for side in states.partition("->"))
        befores = {"" if state == "(none)" else state for state in split_words(before)}
        afters = befores if after == "the same" else set(split_words(after))
        moves.append((event.strip(), befores, afters))
    return moves


def wrong_moves(text: str) -> list[str]:
    """Moves that the table of lifecycle.py does not have."""
    wrong: list[str] = []
    for event, befores, afters in stated_moves(text):
        allowed = MOVES.get(event)
        if allowed is None:
            wrong.append(f"{event}: no such event")
            continue
        reachable = {after for before in befores for after in allowed.get(before, ())}
        wrong += [f"{event}: not from {state}" for state in befores - set(allowed)]
        wrong += [f"{event}: not to {state}" for state in afters - reachable]
    return wrong


def included_text(name: str, seen: set[str] | None = None) -> str:
    """The text of an include and of its own includes; those that Python generates are empty."""
    seen = set() if seen is None else seen
    path = LUA / "include" / f"{name}.lua"
    if name in seen or not path.exists():
        return ""
    seen.add(name)
    text = path.read_text()
    return text + "".join(included_text(inner, seen) for inner in INCLUDE.findall(text))


def wrong_header(script: Script) -> list[str]:
    """All that the header gets wrong about its script, each as a sentence."""
    names = [line[3:].partition(" ")[0] for line in script.header[1:]]
    if names != list(FIELDS):
        return [f"the header's lines are {names}, not {list(FIELDS)}"]
    wrong = wrong_moves(script.field("moves"))
    if not re.fullmatch(rf"-- {script.name}: .+\.", script.header[0]):
        wrong.append(f"the first line is not `-- {script.name}: sentence.`")
    includes = INCLUDE.findall(script.body)
    if split_words(script.field("includes")) != (includes or ["nothing"]):
        wrong.append(f"includes are {includes}")
    returns = set(re.findall(r"\w+", script.field("returns")))
    tokens = set(TOKEN.findall(script.body))
    wrong += [f"{token} is returned, but not stated" for token in tokens - returns]
    wrong += [f"{token} is stated, but never returned" for token in (returns & CODES) - tokens]
    wrong += [f"{token} is no error code" for token in tokens - CODES - INTERNAL]
    emits = set(re.findall(r"\w+", script.field("emits"))) & EVENTS
    own = set(EVENT.findall(script.body)) & EVENTS
    reached = own | set(EVENT.findall("".join(included_text(name) for name in includes)))
    wrong += [f"{event} is emitted, but not stated" for event in own - emits]
    wrong += [f"{event} is stated, but never emitted" for event in emits - reached]
    if not emits and not script.field("emits").startswith("nothing"):
        wrong.append("emits names no event, and does not say `nothing`")
    return wrong


def scripts() -> list[Path]:
    return sorted(LUA.glob("*.lua"))


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.stem)
def test_a_header_is_true(path: Path) -> None:
    assert wrong_header(read_script(path)) == []


def test_every_move_of_the_table_has_a_script() -> None:
    moved = {
        (event, before, after)
        for path in scripts()
        for event, befores, afters in stated_moves(read_script(path).field("moves"))
        for before in befores
        for after in afters
    }

    missing = [
        (event, before, after)
        for event, moves in MOVES.items()
        for before, afters in moves.items()
        for after in afters
        if (event, before, after) not in moved
    ]

    assert not missing, missing


@pytest.mark.parametrize(
    "path", sorted((LUA / "include").glob("*.lua")), ids=lambda path: path.stem
)
def test_every_include_is_used_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    used = {name for other in LUA.rglob("*.lua") for name in INCLUDE.findall(other.read_text())}

    prose = [line for line in text.splitlines() if re.match(r"-- (?!@include)\S", line)]

    assert path.stem in used
    assert prose, "no line says what the include is"


SAMPLE = Script(
    "accept_jobs",
    [
        "-- accept_jobs: workers confirm attempts.",
        "-- moves    accept: assigned -> accepted",
        "-- keys     prefix",
        "-- args     { items }",
        "-- returns  { ok } | { stale_attempt }",
        "-- emits    nothing",
        "-- includes keys",
    ],
    '\n-- @include keys\nresults[i] = { "ok" }\nresults[i] = { "stale_attempt" }',
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("accept_jobs: workers", "accept_job: workers", "the first line"),
        ("assigned -> accepted", "queued -> accepted", "not from queued"),
        ("assigned -> accepted", "assigned -> completed", "not to completed"),
        ("moves    accept:", "moves    agree:", "no such event"),
        (" | { stale_attempt }", "", "is returned, but not stated"),
        ("{ ok } |", "{ ok } | { not_found } |", "is stated, but never returned"),
        ("includes keys", "includes keys, commit", "includes are"),
        ("emits    nothing", "emits    job_queued", "is stated, but never emitted"),
        ("-- keys     prefix", "-- values   prefix", "the header's lines"),
    ],
)
def test_a_false_header_is_noticed(old: str, new: str, said: str) -> None:
    header = "\n".join(SAMPLE.header).replace(old, new).splitlines()

    assert wrong_header(SAMPLE) == []
    assert any(said in line for line in wrong_header(SAMPLE._replace(header=header)))


def test_an_unknown_token_is_noticed() -> None:
    body = SAMPLE.body + '\nreturn { "nonsense" }'

    assert "nonsense is no error code" in wrong_header(SAMPLE._replace(body=body))
