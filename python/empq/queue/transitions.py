"""What moves a job after its submission: one method per verb, each one item of a script's batch."""

from __future__ import annotations

import hashlib
import random
from typing import Any, NamedTuple, NoReturn

from empq.errors import NotFound, StaleAttempt, Unavailable, WrongState
from empq.messages.rest import ProgressReport
from empq.model.lifecycle import HELD
from empq.store.calls import MOST_ITEMS
from empq.store.store import Store

JITTER = (0.8, 1.2)
SETTLING_TRIES = 64


class Token(NamedTuple):
    """Who speaks for which attempt; `lease` may be left out, worker and attempt may not."""

    worker_id: str
    attempt: int
    lease: str | None


class FailAck(NamedTuple):
    """Whether and when a failed job is tried again."""

    retry_scheduled: bool
    retry_delay_ms: int


class Transitions:
    """Raises StaleAttempt for a token that is not the current one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def accept(self, job_id: str, token: Token) -> None:
        """The worker will run this attempt."""
        _demand(await self._store.accept.add(_item(job_id, token)), job_id, token)

    async def progress(self, job_id: str, token: Token, progress: ProgressReport) -> None:
        """The attempt's progress; the first one starts the job."""
        # Lua's arrays hold no nil: -1 and "" stand for what was not said.
        report = [
            -1 if progress.progress is None else progress.progress,
            progress.message or "",
            progress.current_step or "",
        ]
        _demand(await self._store.progress.add([*_item(job_id, token), report]), job_id, token)

    async def complete(
        self, job_id: str, token: Token, result: bytes | None, artifacts: list[str] | None
    ) -> None:
        """The attempt's result; its repeat gets the same answer. `artifacts` name its uploads."""
        text = result or b""
        digest = hashlib.blake2b(text, digest_size=16).hexdigest()
        _demand(
            await self._store.complete.add([*_item(job_id, token), digest, artifacts or []], text),
            job_id,
            token,
        )

    async def fail(
        self, job_id: str, token: Token, error: str, details: bytes | None, retry: bool
    ) -> FailAck:
        """The attempt failed; `retry` False ends the job at once."""
        item = [
            *_item(job_id, token),
            error,
            (details or b"").decode(),
            int(retry),
            random.uniform(*JITTER),
        ]
        _, scheduled, delay_ms = _demand(await self._store.fail.add(item), job_id, token)
        return FailAck(bool(scheduled), int(delay_ms))

    async def release(self, job_id: str, token: Token, reason: str | None) -> None:
        """The worker gives the attempt back, uncounted."""
        _demand(await self._store.release.add([*_item(job_id, token), reason or ""]), job_id, token)

    async def cancel(self, job_id: str, reason: str | None) -> None:
        """Ends the job at once; on a cancelled one nothing changes."""
        _ended(
            await self._store.cancel.add([job_id, reason or "cancelled"]), job_id, "be cancelled"
        )

    async def reprioritise(self, job_id: str, priority: int) -> None:
        """Changes the priority; a queued job moves, keeping its sequence."""
        _ended(
            await self._store.reprioritise.add([job_id, priority]), job_id, "change its priority"
        )

    async def delete(self, job_id: str) -> None:
        """Deletes an ended job with all that is its own but its artifacts' files."""
        result = await self._forget(job_id)
        if result[0] == "not_found":
            raise NotFound(f"no job {job_id}")
        if result[0] == "wrong_state":
            raise WrongState(
                f"job {job_id} is {result[1]}; only ended jobs can be deleted: cancel it first"
            )

    async def _forget(self, job_id: str) -> list[Any]:
        for _ in range(SETTLING_TRIES):
            result = (await self._store.calls.run("forget_jobs", [[job_id], 1]))[1][0]
            if result[0] != "unsettled":
                await self._store.calls.demand_kept()
                return result
            await self._store.calls.run("settle_dependants", [MOST_ITEMS])
        raise Unavailable(f"jobs that depend on {job_id} are being told of its end; try again")

    async def check_current(self, job_id: str, token: Token) -> str:
        """The current attempt's lease, where the token is that attempt's; before an upload is taken."""
        job = (await self._store.jobs([job_id]))[0]
        current = job and job.state in HELD and (job.worker, job.attempt) == token[:2]
        if not job or not current or token.lease not in (None, job.lease):
            _stale(job_id, token)
        return job.lease


def _item(job_id: str, token: Token) -> list[Any]:
    return [job_id, token.worker_id, token.attempt, token.lease or ""]


def _stale(job_id: str, token: Token) -> NoReturn:
    raise StaleAttempt(
        f"attempt {token.attempt} of job {job_id} by worker {token.worker_id} is not the current one"
    )


def _demand(result: list[Any], job_id: str, token: Token) -> list[Any]:
    if result[0] != "ok":
        _stale(job_id, token)
    return result


def _ended(result: list[Any], job_id: str, what: str) -> None:
    if result[0] == "not_found":
        raise NotFound(f"no job {job_id}")
    if result[0] == "wrong_state":
        raise WrongState(f"job {job_id} is {result[1]} and cannot {what} any more")
