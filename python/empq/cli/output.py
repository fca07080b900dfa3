"""What people and programs see: tables that fit any terminal and encoding, JSON byte for byte."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from empq.settings_sources import environment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_WIDTH = 200
NARROWEST_TABLE = 70
GAP = 2
"""Between two columns of a table."""
STATUS_COLOURS = {
    "completed": "green",
    "failed": "red",
    "timeout": "red",
    "cancelled": "yellow",
    "in_progress": "cyan",
    "accepted": "cyan",
    "assigned": "cyan",
    "idle": "green",
    "busy": "cyan",
    "draining": "yellow",
    "offline": "red",
}


def console() -> Console:
    """A console on standard output that takes no user's text for markup."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    made = Output(markup=False, highlight=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in environment():
        made = Output(markup=False, highlight=False, emoji=False, width=PIPE_WIDTH)
    return made


def say(text: str) -> None:
    """A line for people on standard output."""
    print(shown(text), flush=True)


def complain(text: str) -> None:
    """A line for people on standard error."""
    with suppress(OSError):
        print(f"empq: {shown(text)}", file=sys.stderr, flush=True)


def usage_error(text: str) -> typer.Exit:
    """Says what is wrong with the command line; raise what it returns."""
    complain(text)
    return typer.Exit(2)


def write_json(body: bytes) -> None:
    """The hub's bytes as they came, and a line's end."""
    sys.stdout.flush()
    sys.stdout.buffer.write(body.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    empty: str,
    spare: Sequence[str] = (),
) -> None:
    """A table of plain cells, on a narrow terminal a line per row. `empty` is said where there are no rows.

    `spare`: the columns that go, one after the other, while the table is wider than the terminal.
    """
    from rich.table import Table

    target = console()
    if target.width < NARROWEST_TABLE:
        lines = ["  ".join(str(_cell(value)) for value in row) for row in rows]
        say("\n".join(lines) or empty)
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    cells = [[_cell(value) for value in row] for row in rows]
    shown_columns = _fitting(columns, cells, spare, target.width)
    for index in shown_columns:
        made.add_column(columns[index], overflow="fold", no_wrap=index == 0)
    for row in cells:
        made.add_row(*(row[index] for index in shown_columns))
    if made.row_count:
        target.print(made)
    else:
        say(empty)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values below each other; values that are None are left out."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True, style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            made.add_row(name, _cell(value))
    console().print(made)


def shown(text: str) -> str:
    """The text without characters that steer a terminal; line ends stay."""
    return "".join(c if c.isprintable() or c in "\n\u200d" else " " for c in text)


def _fitting(
    columns: Sequence[str], cells: Sequence[Sequence[Text]], spare: Sequence[str], width: int
) -> list[int]:
    """The columns that stay: without spare ones where all would be wider than the terminal."""
    widths = [
        max(len(column), *(row[index].cell_len for row in cells)) if cells else len(column)
        for index, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    for name in spare:
        if sum(widths[index] for index in kept) + GAP * (len(kept) - 1) <= width:
            break
        kept.remove(columns.index(name))
    return kept


def _cell(value: Any) -> Text:
    from rich.text import Text

    text = "-" if value is None or value == "" else shown(str(value))
    return Text(text, style=STATUS_COLOURS.get(text, ""))
