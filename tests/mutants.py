"""Seeded bugs: each is put into a copy of the sources, and the tests must find it (`make mutants`).

The switches are patches, so that nothing of them is in what runs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
STORE = "tests/store"
LUA = "empq/store/lua"


class Mutant(NamedTuple):
    """A bug that somebody could write: what, where, the text before and after, and which tests are run."""

    bug: str
    file: str
    before: str
    after: str
    tests: str = STORE


MUTANTS = (
    Mutant("the lease is not compared", f"{LUA}/include/fence.lua", ' and (lease == "" or job[J.lease] == lease)', ""),
    Mutant("the attempt is not compared", f"{LUA}/include/fence.lua", " and job[J.attempt] == attempt", ""),
    Mutant("the worker is not compared", f"{LUA}/include/fence.lua", "job[J.worker] == worker_id and ", ""),
    Mutant("a report counts in any state", f"{LUA}/include/fence.lua", "and HELD_STATES[job[J.state]] or false", "or false"),
    Mutant("late results revive what has ended", f"{LUA}/complete_jobs.lua", ' and (job[J.state] == "queued" or job[J.state] == "pending")', ""),
    Mutant("late results are thrown away", f"{LUA}/complete_jobs.lua", "or is_late(job, item)", ""),
    Mutant("another result passes as a repeat", f"{LUA}/complete_jobs.lua", " and job[J.digest] == item[5]", ""),
    Mutant("a repeated complete is stale", f"{LUA}/complete_jobs.lua", 'job[J.state] == "completed" and', 'job[J.state] == "nothing" and'),
    Mutant("the slot stays held after a result", f"{LUA}/complete_jobs.lua", "free_slot(changes, job[J.worker], id, job[J.attempt])", ""),
    Mutant("the reaper looks at no lease", f"{LUA}/expire_sessions.lua", "worker[W.lease_until] > data.clock", "false"),
    Mutant("no grace after an outage", f"{LUA}/include/open_data.lua", "if passed > lease / 2 then", "if false then"),
    Mutant("the lease clock follows every jump", f"{LUA}/include/open_data.lua", "math.max(0, math.min(passed, lease / 6))", "math.max(0, passed)"),
    Mutant("a job left out once is lost", f"{LUA}/include/listed.lua", "elseif held[H.missing_since] == 0 then", "elseif false then"),
    Mutant("a job left out is never lost", f"{LUA}/include/listed.lua", "elseif now - held[H.missing_since] >= UNLISTED_MS then", "elseif false then"),
    Mutant("a cancel frees the slot at once", f"{LUA}/include/cancel.lua", "worker[W.held][index][H.cancelled], worker[W.held][index][H.reason] = changes.data.clock + UNANSWERED_MS, reason", "table.remove(worker[W.held], index)"),
    Mutant("a release counts as a failure", f"{LUA}/include/end_attempt.lua", 'if outcome == "released" then\n    job[J.releases]', 'if false then\n    job[J.releases]'),
    Mutant("retries never end", f"{LUA}/include/end_attempt.lua", "job[J.counted] > job[J.max_retries]", "false"),
    Mutant("claims do not count slots", f"{LUA}/claim_jobs.lua", " and #worker[W.held] < worker[W.slots] do", " do"),
    Mutant("claims do not look at isolation", f"{LUA}/claim_jobs.lua", "if (job[J.strict] == 1 and others > 0) or holding.strict_total - (holding.strict[name] and 1 or 0) > 0 then", "if false then"),
    Mutant("claims do not look at quotas", f"{LUA}/claim_jobs.lua", "(customer[C.max_active] >= 0 and customer[C.active] >= customer[C.max_active])", "false"),
    Mutant("claims by old capabilities pass", f"{LUA}/claim_jobs.lua", "if item[3] ~= worker[W.version] then", "if false then"),
    Mutant("a claim of a stale index passes", f"{LUA}/claim_jobs.lua", "if applied < data.number then", "if false then"),
    Mutant("a worse job passes a better lane", f"{LUA}/claim_jobs.lua", "if entry.rank > item[9] then", "if false then"),
    Mutant("a repeated claim takes new jobs", f"{LUA}/claim_jobs.lua", "if again then", "if false then"),
    Mutant("an idempotent repeat stores again", f"{LUA}/submit_jobs.lua", "  if kept then\n    local first", "  if false then\n    local first"),
    Mutant("a key with another body passes", f"{LUA}/submit_jobs.lua", "if first[1] ~= body_digest then", "if false then", "tests/api/test_jobs_over_rest.py"),
    Mutant("a refused batch is stored in part", f"{LUA}/submit_jobs.lua", "if refused > 0 and not partial then", "if false then"),
    Mutant("dependants of a failed job run", f"{LUA}/settle_dependants.lua", "if not completed then", "if false then"),
    Mutant("results outlive their jobs", f"{LUA}/forget_jobs.lua", '"envelope", "result", "progress"', '"envelope", "progress"'),
    Mutant("any data set will do", f"{LUA}/include/open_data.lua", ' or (dataset_meant ~= "" and dataset_meant ~= read[12])', "", "tests/faults/test_other_data.py"),
    Mutant("a hole in the log is swallowed", "empq/feed/event_feed.py", "if int(entries[0][0].partition(b\"-\")[0]) != self.number + 1:", "if False:", "tests/faults/test_feed_that_fails.py"),
    Mutant("the log is read from its end", "empq/feed/event_feed.py", 'f"{self.number}-0",\n            )', '"$",\n            )', "tests/faults/test_feed_that_fails.py"),
    Mutant("a log that went back is believed", "empq/feed/event_feed.py", "if number < self.number or not await self._is_same_entry(connection):", "if False:", "tests/faults/test_other_data.py"),
    Mutant("a missed replica is not told", "empq/store/calls.py", "return self.kept is None or await self.kept(self._number)", "return True", "tests/faults/test_durability.py"),
    Mutant("a retry inherits the attempt", "empq/queue/submission.py", '"priority", "type", "customer",', '"priority", "attempt", "type", "customer",', "tests/api/test_jobs_over_rest.py tests/faults/test_random_history.py"),
)  # fmt: skip


def verdict(mutant: Mutant, folder: Path) -> str | None:
    """The first test that finds it; None where none does."""
    sources = folder / "python"
    shutil.copytree(ROOT / "python", sources)
    file = sources / mutant.file
    text = file.read_text()
    if text.count(mutant.before) != 1:
        raise SystemExit(
            f"{mutant.bug}: its text stands {text.count(mutant.before)} times in {mutant.file}"
        )
    file.write_text(text.replace(mutant.before, mutant.after))
    ran = subprocess.run(
        (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            *mutant.tests.split(),
        ),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 1):
        raise SystemExit(f"{mutant.bug}: pytest ended with {ran.returncode}\n{ran.stdout[-2000:]}")
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.M)
    return (found[1] if found else "a test") if ran.returncode else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "words", nargs="*", help="only the mutants whose bug has one of these words"
    )
    words = parser.parse_args().words
    chosen = [it for it in MUTANTS if not words or any(word in it.bug for word in words)]
    survived = 0
    for number, mutant in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory(prefix="empq-mutant-") as folder:
            found = verdict(mutant, Path(folder))
        survived += found is None
        print(f"{number:>2}/{len(chosen)} {mutant.bug:<48} {found or 'SURVIVED'}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} found")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
