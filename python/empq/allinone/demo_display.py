"""What the demo shows: a live picture on a terminal, plain lines elsewhere, and the final table."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from empq.allinone.answers import ENDED, Candidate, Job
from empq.allinone.demo_fleet import Machine
from empq.allinone.times import between, span

RUNNING = frozenset({"assigned", "accepted", "in_progress"})
LINES_EVERY_SECONDS = 1.5
PIPE_WIDTH = 120


class Display(Protocol):
    """How progress is shown."""

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def show(self, jobs: Sequence[Job]) -> None:
        """The present state of all jobs."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was found."""
        ...


def display(machines: Sequence[Machine], kinds: Mapping[str, str], plain: bool) -> Display:
    """Live where a person watches, else lines. `kinds`: job id -> kind, filled while jobs are submitted."""
    console = _console()
    if plain or not console.is_terminal or console.is_dumb_terminal or sys.stdin is None:
        return _Lines(console, kinds)
    return _Picture(console, machines, kinds)


class _Lines:
    def __init__(self, console: Console, kinds: Mapping[str, str]) -> None:
        self._console, self._kinds = console, kinds
        self._start = time.monotonic()
        self._next = 0.0

    def say(self, text: str) -> None:
        self._console.print(text)

    def show(self, jobs: Sequence[Job]) -> None:
        now = time.monotonic() - self._start
        if now < self._next:
            return
        self._next = now + LINES_EVERY_SECONDS
        self._console.print(f"{now:5.1f} s  {_counts(jobs)}")
        for job in sorted(_running(jobs), key=lambda job: job.worker_id or ""):
            kind = self._kinds.get(job.id, job.type)
            self._console.print(
                f"         {job.worker_id or '':<13} {kind:<18} {job.percent or '-':>5}"
                f"  {job.current_step or ''}".rstrip()
            )

    def close(self) -> None:
        """Nothing to undo."""


class _Picture:
    def __init__(
        self, console: Console, machines: Sequence[Machine], kinds: Mapping[str, str]
    ) -> None:
        self._console, self._machines, self._kinds = console, machines, kinds
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        self._console.print(text)

    def show(self, jobs: Sequence[Job]) -> None:
        self._live.update(self._drawn(jobs), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _drawn(self, jobs: Sequence[Job]) -> Group:
        by_worker = {job.worker_id: job for job in _running(jobs)}
        done = sum(job.status in ENDED for job in jobs)
        rows = Table(box=None, pad_edge=False, expand=True, header_style="bold")
        for column, share in (("worker", 3), ("is", 4), ("runs", 4)):
            rows.add_column(column, no_wrap=True, ratio=share)
        rows.add_column("progress", ratio=5)
        rows.add_column("", justify="right", no_wrap=True, width=5)
        for machine in self._machines:
            job = by_worker.get(machine.worker_id)
            rows.add_row(
                Text(machine.worker_id, style="bold"),
                Text(machine.about, style="dim"),
                Text("waits" if job is None else self._kinds.get(job.id, job.type)),
                ProgressBar(total=100, completed=(job and job.progress) or 0),
                Text("" if job is None else job.percent or "0%"),
            )
        total = ProgressBar(total=max(1, len(jobs)), completed=done, complete_style="green")
        return Group(Text(""), Text(_counts(jobs), style="bold"), total, Text(""), rows)


def summary(jobs: Sequence[Job], kinds: Mapping[str, str]) -> None:
    """For each kind of job: how many, who ran it, how long it waited and ran."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind of job", "jobs", "ran on", "waited (median, longest)", "ran (median)"):
        table.add_column(column, overflow="fold", justify="right" if column == "jobs" else "left")
    for kind in dict.fromkeys(kinds.values()):
        those = [job for job in jobs if kinds.get(job.id) == kind and job.status == "completed"]
        if not those:
            continue
        workers = Counter(job.worker_id or "?" for job in those).most_common()
        waited = [between(job.queued_at, job.assigned_at) or 0.0 for job in those]
        ran = [between(job.assigned_at, job.ended_at) or 0.0 for job in those]
        table.add_row(
            kind,
            str(len(those)),
            ", ".join(f"{worker} {count}" for worker, count in workers),
            f"{span(median(waited))}, {span(max(waited))}",
            span(median(ran)),
        )
    _console().print(table)


def rejections(workers: Sequence[Candidate]) -> None:
    """What keeps each worker from a job."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for worker in workers:
        rules = (str(rejection) for rejection in worker.rejections)
        table.add_row(f"  {worker.worker_id}", "\n".join(rules))
    _console().print(table)


def _console() -> Console:
    made = Console(markup=False, highlight=False, emoji=False)
    return made if made.is_terminal else Console(markup=False, highlight=False, width=PIPE_WIDTH)


def _running(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.status in RUNNING]


def _counts(jobs: Sequence[Job]) -> str:
    by = Counter(job.status for job in jobs)
    running = sum(by[status] for status in RUNNING)
    done = sum(by[status] for status in ENDED)
    return f"{by['queued'] + by['pending']} queued, {running} running, {done} of {len(jobs)} done"
