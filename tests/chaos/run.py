"""`python -m tests.chaos.run --seconds 180 --seed 7` (make chaos): faults, then healing, draining and the judgement."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.actors import LinkWorker, RestWorker, Submitter
from tests.chaos.checker import ENDED, Job, Report, check
from tests.chaos.history import History
from tests.chaos.plan import Fault, schedule
from tests.chaos.world import LEASE_SECONDS, World
from tests.faults.test_random_history import becomes_consistent
from tests.support.processes import Hub, Worker
from tests.support.random_history import SERVICES, Actor
from tests.support.waiting import eventually

HUBS, SUBMITTERS, REST_WORKERS, LINK_WORKERS = 2, 2, 3, 3
RECOVERY_SECONDS = 60.0


class Outcome(NamedTuple):
    """What a run has shown."""

    world: World
    history: History
    report: Report


def play(
    folder: Path, seed: str, faults: int | None = None, seconds: float | None = None
) -> Outcome:
    """So many faults, or for so long; then everything heals, drains and is judged."""
    world, history, over = World(folder, HUBS), History(), threading.Event()
    try:
        actors = _actors(world.hubs, history, seed, over)
        threads = [
            threading.Thread(target=_act, args=(actor, over), daemon=True) for actor in actors
        ]
        for thread in threads:
            thread.start()
        _break(world, history, itertools.islice(schedule(seed, HUBS), faults), seconds, over)
        world.heal()
        over.set()
        for thread in threads:
            thread.join()
        wrong = [text for actor in actors for text in actor.promises.wrong]
        _drain(world.hubs[0], folder)
        becomes_consistent(world.redis)
        world.index_follows()
        report = check(history.events, _jobs(world.hubs[0]))
        wrong += [f"traceback in {hub.log}" for hub in world.hubs if "Traceback" in hub.text]
        return Outcome(world, history, report._replace(violations=[*report.violations, *wrong]))
    finally:
        over.set()
        history.write(folder / "history.jsonl")
        world.close()


def _actors(hubs: list[Hub], history: History, seed: str, over: threading.Event) -> list[Actor]:
    actors: list[Actor] = [
        Submitter(hubs, history, f"client-{seed}-{n}", over) for n in range(SUBMITTERS)
    ]
    for kind, many in ((RestWorker, REST_WORKERS), (LinkWorker, LINK_WORKERS)):
        name = kind.__name__.lower()
        actors += [
            kind(hubs, history, f"{name}-{seed}-{n}", over, LEASE_SECONDS) for n in range(many)
        ]
    return actors


def _act(actor: Actor, over: threading.Event) -> None:
    while not over.is_set():
        actor.run(1)


def _break(
    world: World,
    history: History,
    faults: Iterator[Fault],
    seconds: float | None,
    over: threading.Event,
) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    for fault in faults:
        if until is not None and time.monotonic() > until:
            return
        world.fault(fault, over)
        healed = time.monotonic()

        def served(healed: float = healed) -> bool:
            return any(it.at > healed for it in history.of("completed")[-20:])

        eventually(served, f"a result is taken after {fault.kind}", RECOVERY_SECONDS)
        first = next(it.at for it in history.of("completed") if it.at > healed)
        world.recovery[fault.kind].append(first - healed)


def _drain(hub: Hub, folder: Path) -> None:
    """Shipped workers without faults, until nothing is left to do."""
    workers = [Worker(hub, f"honest-{service}", folder, service, 64) for service in SERVICES]
    for worker in workers:
        worker.start()

    def nothing_left() -> bool:
        jobs = hub.http.get("/api/stats")["jobs"]
        return not any(number for state, number in jobs.items() if state not in ENDED)

    try:
        eventually(nothing_left, "all jobs have ended", 300)
    finally:
        for worker in workers:
            worker.stop()


def _jobs(hub: Hub) -> list[Job]:
    """Every stored job."""
    found: list[Job] = []
    cursor = ""
    while True:
        page = hub.http.get(f"/api/jobs?limit=1000{cursor}")
        for listed in page["jobs"]:
            found.append(_job(hub.http.get(f"/api/jobs/{listed['id']}")))
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _job(shown: dict[str, Any]) -> Job:
    attempts = [
        {**attempt, "assigned_at": _ms(attempt["assigned_at"])} for attempt in shown["attempts"]
    ]
    return Job(
        shown["id"],
        shown["metadata"].get("key", ""),
        shown["status"],
        shown["result"],
        attempts,
        shown["requirements"]["service_type"],
        shown["priority"],
        _ms(shown["queued_at"]),
        shown["retry_of"],
    )


def _ms(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000 if text else 0.0


def table(outcome: Outcome) -> str:
    """The run in figures."""
    report, world = outcome.report, outcome.world
    lines = [
        f"faults {sum(world.played.values())}, jobs {report.begun}, acked {report.acked}, lost {report.lost}, "
        f"duplicated {report.duplicated}, double-accepted {report.double_accepted}, unexpected {report.unexpected}, "
        f"recovered {report.recovered}, wrong ends {report.wrong_ends}, inversions {report.inversions}, "
        f"overlap {report.overlap_seconds:.1f} s",
        f"{'fault':<20}{'times':>6}{'p50 s':>9}{'p99 s':>9}{'max s':>9}   from its end to the next result taken",
    ]
    for kind, taken in sorted(world.recovery.items()):
        ordered = sorted(taken)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        lines.append(
            f"{kind:<20}{world.played[kind]:>6}{statistics.median(ordered):>9.2f}{p99:>9.2f}{ordered[-1]:>9.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", default="7")
    parser.add_argument("--plan", type=int, metavar="N", help="print the first N faults, and end")
    options = parser.parse_args()
    if options.plan:
        for fault in itertools.islice(schedule(options.seed, HUBS), options.plan):
            print(
                f"{fault.quiet:>6.3f} s quiet, then {fault.kind} at {fault.hub} for {fault.seconds:.3f} s"
            )
        return
    folder = Path(tempfile.mkdtemp(prefix="empq-chaos-"))
    print(
        f"seed {options.seed}, {options.seconds:g} s of faults; history and logs in {folder}",
        flush=True,
    )
    try:
        outcome = play(folder, options.seed, seconds=options.seconds)
    except KeyboardInterrupt:
        sys.exit(130)
    print(table(outcome))
    for violation in outcome.report.violations[:50]:
        print(f"VIOLATION {violation}")
    sys.exit(1 if outcome.report.violations else 0)


if __name__ == "__main__":
    main()
