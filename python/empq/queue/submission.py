"""Submissions: a request becomes a record and an envelope; one script stores it, or N of a tick."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from empq.errors import (
    EmpqError,
    FieldError,
    IdempotencyMismatch,
    InvalidField,
    NotFound,
    QuotaExceeded,
    UnknownDependency,
    WrongState,
)
from empq.messages.rest import JobRequest, Submitted
from empq.model import identifiers, lifecycle
from empq.model.envelope import Details, open_envelope, seal
from empq.model.times import rfc3339
from empq.queue.preparation import Preparation, Prepared
from empq.settings import Settings
from empq.store.calls import MOST_ITEMS
from empq.store.dataset import Dataset
from empq.store.keys import key as redis_key
from empq.store.record import JobRecord
from empq.store.store import NewJob, Shape, Store

MOST_DEPENDENCIES = 4096


class IdempotencyKey(NamedTuple):
    """A caller's promise that a repeat is a repeat: scope (caller and call), key, raw body."""

    scope: str
    key: str
    body: bytes


class InvalidItem(NamedTuple):
    """An item of a batch that could not be decoded, and why."""

    error: EmpqError


class Submissions:
    """Validates and stores. `on_prepared` hears of each job's shape and lane before it is sent."""

    def __init__(self, store: Store, dataset: Dataset, settings: Settings) -> None:
        self._store, self.preparation = store, Preparation(dataset, settings)
        self.on_prepared: Callable[[Shape, str, int], None] = lambda shape, lane, priority: None

    async def submit(
        self, request: JobRequest, key: IdempotencyKey | None = None
    ) -> tuple[Submitted, bool]:
        """Stores one job; (answer, whether it repeats an earlier one). Raises what is wrong with it."""
        return await self._store_one(self.preparation.prepare(request, {}, ""), key)

    async def submit_batch(
        self,
        items: Sequence[JobRequest | InvalidItem],
        partial: bool,
        key: IdempotencyKey | None = None,
    ) -> tuple[list[Submitted | EmpqError], bool]:
        """Stores all items in order, or (partial) those that are valid; without `partial` the first fault refuses all."""
        refs: dict[str, str] = {}
        prepared: list[Prepared | EmpqError] = []
        for position, item in enumerate(items):
            try:
                if isinstance(item, InvalidItem):
                    raise item.error
                prepared.append(self.preparation.prepare(item, refs, f"/jobs/{position}"))
            except EmpqError as error:
                if not partial:
                    raise
                prepared.append(error)
        valid = [item for item in prepared if isinstance(item, Prepared)]
        if not partial and len(_chunks(valid)) > 1:
            await self._demand_dependencies(valid)
            await self._demand_time_left(valid)
        answers, replayed = await self._store_many(valid, partial, key)
        stored = iter(answers)
        return [
            item if isinstance(item, EmpqError) else next(stored) for item in prepared
        ], replayed

    async def retry(self, job_id: str, key: IdempotencyKey | None = None) -> tuple[Submitted, bool]:
        """A new job like an ended one, with `retry_of`. Raises WrongState unless that one failed, timed out or was cancelled."""
        packed, envelope = await self._store.command(
            "MGET", redis_key("job", job_id), redis_key("envelope", job_id)
        )
        if not packed or not envelope:
            raise NotFound(f"no job {job_id}")
        old = msgspec.msgpack.decode(packed, type=JobRecord)
        if old.state not in lifecycle.RETRYABLE:
            raise WrongState(
                f"job {job_id} is {old.state}; only failed, timeout and cancelled jobs can be retried"
            )
        opened = open_envelope(envelope)
        record = msgspec.structs.replace(
            JobRecord(),
            **{name: getattr(old, name) for name in _INHERITED},
            retry_of=job_id,
        )
        sealed = seal(Details(metadata=opened.details.metadata), opened.head, opened.payload)
        documents = await self._store.shapes([old.shape])
        if old.shape not in documents:
            raise NotFound(f"no job {job_id}")
        shape = Shape(old.shape, documents[old.shape].decode())
        return await self._store_one(
            Prepared(NewJob(identifiers.job_id(), record, [], 0), sealed, shape), key
        )

    # ------------------------------------------------------------------ storing

    async def _store_one(
        self, prepared: Prepared, key: IdempotencyKey | None
    ) -> tuple[Submitted, bool]:
        if key is None:
            self._announce(prepared)
            result = await self._store.submit.add((prepared.job, prepared.shape), prepared.envelope)
            return _answer(result, prepared), False
        answers, replayed = await self._store_many([prepared], False, key)
        answer = answers[0]
        if isinstance(answer, EmpqError):
            raise answer
        return answer, replayed

    async def _store_many(
        self, prepared: list[Prepared], partial: bool, key: IdempotencyKey | None
    ) -> tuple[list[Submitted | EmpqError], bool]:
        answers: list[Submitted | EmpqError] = []
        replayed = bool(prepared)
        stored_as: dict[str, str] = {}
        for start, chunk in _chunks(prepared):
            chunk = [_renamed(item, stored_as) for item in chunk]
            rest = prepared[start + len(chunk) :]
            results, repeated = await self._store_chunk(chunk, partial, key, start, rest)
            replayed = replayed and repeated
            for result, item in zip(results, chunk, strict=True):
                if result[0] == "ok" and result[1] != item.job.id:
                    stored_as[item.job.id] = result[1]  # by the call that this one repeats
                try:
                    answers.append(_answer(result, item))
                except EmpqError as error:
                    if not partial:
                        raise
                    answers.append(error)
        return answers, replayed and key is not None

    async def _store_chunk(
        self,
        chunk: list[Prepared],
        partial: bool,
        key: IdempotencyKey | None,
        start: int,
        later: Sequence[Prepared],
    ) -> tuple[list[Any], bool]:
        """`later`: what further calls of the batch will store; the first one reserves its customers' quota."""
        identity, digest = ("", "") if key is None else _identity(key, start)
        reserve = (
            []
            if start or partial
            else list(Counter(item.job.record.customer for item in later).items())
        )
        shapes = {item.shape.base: item.shape.document for item in chunk}
        for item in chunk:
            self._announce(item)
        args = [
            [item.job for item in chunk],
            list(shapes.items()),
            int(partial),
            identity,
            digest,
            reserve,
            int(start > 0 and not partial),
        ]
        token, results = await self._store.submit.run(args, [item.envelope for item in chunk])
        if token == "idempotency_mismatch":
            raise IdempotencyMismatch("this Idempotency-Key was used with another body")
        if token == "refused":  # nothing is stored; the first fault is told
            for result, item in zip(results, chunk, strict=True):
                if result[0] != "not_stored":
                    _answer(result, item)
        return results, token == "replayed"

    def _announce(self, prepared: Prepared) -> None:
        record = prepared.job.record
        if not prepared.job.depends_on and not prepared.job.delay_ms:
            self.on_prepared(prepared.shape, f"{record.shape}:{record.customer}", record.priority)

    async def _demand_dependencies(self, prepared: list[Prepared]) -> None:
        """For batches of several calls: refuse before the first is stored."""
        own = {item.job.id for item in prepared}
        wanted = sorted({name for item in prepared for name in item.job.depends_on} - own)
        known = {
            name: job
            for name, job in zip(wanted, await self._store.jobs(wanted), strict=True)
            if job
        }
        for item in prepared:
            for name in item.job.depends_on:
                if name not in own and (
                    name not in known or known[name].customer != item.job.record.customer
                ):
                    _answer(["unknown_dependency", name], item)

    async def _demand_time_left(self, prepared: list[Prepared]) -> None:
        seconds, micros = await self._store.command("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        for item in prepared:
            if 0 < item.job.record.deadline_at <= now:
                _answer(["invalid_field", "/deadline"], item)


_INHERITED = (
    "priority", "type", "customer", "service", "strict", "shape", "workflow", "timeout_ms", "accept_ms",
    "max_retries", "delays_ms", "elsewhere", "keep_completed_ms", "keep_failed_ms",
)  # fmt: skip


def _chunks(prepared: list[Prepared]) -> list[tuple[int, list[Prepared]]]:
    """(start, items) of each call: at most 256 jobs, and some 4096 dependencies that its script has to load."""
    chunks: list[tuple[int, list[Prepared]]] = []
    room = 0
    for index, item in enumerate(prepared):
        if not chunks or room <= 0 or len(chunks[-1][1]) == MOST_ITEMS:
            chunks.append((index, []))
            room = MOST_DEPENDENCIES
        chunks[-1][1].append(item)
        room -= len(item.job.depends_on)
    return chunks


def _renamed(item: Prepared, stored_as: dict[str, str]) -> Prepared:
    """The item, depending on jobs by the ids under which an earlier, identical call stored them."""
    if stored_as.keys().isdisjoint(item.job.depends_on):
        return item
    names = [stored_as.get(name, name) for name in item.job.depends_on]
    opened = open_envelope(item.envelope)
    details = msgspec.structs.replace(opened.details, depends_on=names)
    return item._replace(
        job=msgspec.structs.replace(item.job, depends_on=names),
        envelope=seal(details, opened.head, opened.payload),
    )


def _identity(key: IdempotencyKey, start: int) -> tuple[str, str]:
    scoped = hashlib.blake2b(
        f"{key.scope}\0{key.key}\0{start}".encode(), digest_size=16
    ).hexdigest()
    return scoped, hashlib.blake2b(key.body, digest_size=16).hexdigest()


def _answer(result: list[Any], prepared: Prepared) -> Submitted:
    """What the script says of one job. Raises UnknownDependency, QuotaExceeded, InvalidField."""
    pointer = prepared.pointer
    if result[0] == "unknown_dependency":
        names = prepared.job.depends_on
        # a repeat is told the id that the first call had given to an item of its own
        index = names.index(result[1]) if result[1] in names else 0
        where = f"{pointer}/depends_on/{index}"
        detail = f"no job {result[1]} of this customer"
        raise UnknownDependency(f"{where}: {detail}", errors=(FieldError(where, detail),))
    if result[0] == "quota_exceeded":
        raise QuotaExceeded(
            f"customer {result[1]!r} may have {result[2]} waiting jobs (max_queued); try again when some have run"
        )
    if result[0] != "ok":
        raise InvalidField.at(pointer + result[1], "the time has passed already")
    _, job_id, status, position, created, *kept = result
    answer = Submitted(job_id, status, position or None, None, rfc3339(created) or "")
    if kept:
        answer.durable = False
    return answer
