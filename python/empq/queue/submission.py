"""Submissions: a request becomes a record and an envelope; one script stores it, or N of a tick."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from empq.errors import (
    EmpqError,
    FieldError,
    IdempotencyMismatch,
    InvalidField,
    NotFound,
    UnknownDependency,
    WrongState,
)
from empq.messages.rest import JobRequest, Submitted
from empq.model import identifiers, lifecycle
from empq.model.envelope import AssignmentHead, Details, InputFile, open_envelope, seal
from empq.model.requirements import Requirements, job_shape, resolve_timeout
from empq.model.times import rfc3339, unix_ms
from empq.settings import Settings
from empq.store.calls import MOST_ITEMS
from empq.store.keys import key as redis_key
from empq.store.record import JobRecord
from empq.store.store import Dataset, NewJob, Shape, Store

MOST_DEPENDENCIES = 4096
METADATA_PAIRS, METADATA_BYTES = 32, 256
DEFAULT_RETRY_DELAYS = [5.0, 15.0, 30.0]
NULL = msgspec.Raw(b"null")


class IdempotencyKey(NamedTuple):
    """A caller's promise that a repeat is a repeat: scope (caller and call), key, raw body."""

    scope: str
    key: str
    body: bytes


class InvalidItem(NamedTuple):
    """An item of a batch that could not be decoded, and why."""

    error: EmpqError


class Prepared(NamedTuple):
    """A validated request, ready to be stored."""

    job: NewJob
    envelope: bytes
    shape: Shape
    pointer: str = ""  # where it stands in the body


class Submissions:
    """Validates and stores. `on_prepared` hears of each job's shape and lane before it is sent."""

    def __init__(self, store: Store, dataset: Dataset, settings: Settings) -> None:
        self._store, self._dataset, self._settings = store, dataset, settings
        self.on_prepared: Callable[[Shape, str, int], None] = lambda shape, lane, priority: None

    async def submit(
        self, request: JobRequest, key: IdempotencyKey | None = None
    ) -> tuple[Submitted, bool]:
        """Stores one job; (answer, whether it repeats an earlier one). Raises what is wrong with it."""
        return await self._store_one(self._prepare(request, {}, ""), key)

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
                prepared.append(self._prepare(item, refs, f"/jobs/{position}"))
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
            results, repeated = await self._store_chunk(chunk, partial, key, start)
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
        self, chunk: list[Prepared], partial: bool, key: IdempotencyKey | None, start: int
    ) -> tuple[list[Any], bool]:
        identity, digest = ("", "") if key is None else _identity(key, start)
        shapes = {item.shape.base: item.shape.document for item in chunk}
        for item in chunk:
            self._announce(item)
        args = [[item.job for item in chunk], list(shapes.items()), int(partial), identity, digest]
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

    # ------------------------------------------------------------------ validation

    def _prepare(self, request: JobRequest, refs: dict[str, str], pointer: str) -> Prepared:
        requirements, shape = job_shape(
            bytes(request.requirements) or None, request.type, request.timeout_seconds, pointer
        )
        timeout, _ = resolve_timeout(requirements, request.timeout_seconds)
        record = self._record(request, requirements, shape.base, timeout, pointer)
        job_id = identifiers.job_id()
        if request.ref is not None:
            if request.ref in refs:
                raise InvalidField.at(
                    f"{pointer}/ref", f"{request.ref!r} is used twice in this batch"
                )
            refs[request.ref] = job_id
        depends_on = _dependencies(request, refs, pointer)
        head = AssignmentHead(
            job_type=request.type,
            customer_id=request.customer_id or None,
            inputs=_inputs(request, pointer),
            requirements=request.requirements if bytes(request.requirements) else NULL,
            timeout_seconds=_short(timeout),
            accept_timeout_ms=record.accept_ms,
            trace=None,
        )
        envelope = seal(
            Details(_metadata(request, pointer), depends_on), head, bytes(request.payload)
        )
        delay = round((request.delay_seconds or 0) * 1000)
        return Prepared(
            NewJob(job_id, record, depends_on, delay),
            envelope,
            Shape(shape.base, shape.document.decode()),
            pointer,
        )

    def _record(
        self,
        request: JobRequest,
        requirements: Requirements,
        base: str,
        timeout: float,
        pointer: str,
    ) -> JobRecord:
        if not identifiers.is_customer(request.customer_id or ""):
            raise InvalidField.at(
                f"{pointer}/customer_id", f"{request.customer_id!r}: up to 64 printable characters"
            )
        if request.webhook is not None:
            raise InvalidField.at(f"{pointer}/webhook", "webhooks cannot be sent by this version")
        if request.delay_seconds is not None and request.run_at is not None:
            raise InvalidField.at(
                f"{pointer}/run_at", "delay_seconds and run_at exclude each other"
            )
        accept = (
            self._dataset.accept_ms
            if request.accept_timeout_seconds is None
            else round(request.accept_timeout_seconds * 1000)
        )
        keep = None if request.keep_seconds is None else round(request.keep_seconds * 1000)
        delays = (
            DEFAULT_RETRY_DELAYS
            if request.retry_delays_seconds is None
            else request.retry_delays_seconds
        )
        return JobRecord(
            priority=50 if request.priority is None else request.priority,
            type=request.type,
            customer=request.customer_id or "",
            service=requirements.service_type or "",
            strict=int(requirements.is_strict),
            shape=base,
            workflow=request.workflow_id or "",
            run_at=0 if request.run_at is None else unix_ms(request.run_at, f"{pointer}/run_at"),
            deadline_at=0
            if request.deadline is None
            else unix_ms(request.deadline, f"{pointer}/deadline"),
            timeout_ms=round(timeout * 1000),
            accept_ms=accept,
            max_retries=3 if request.max_retries is None else request.max_retries,
            delays_ms=[round(seconds * 1000) for seconds in delays],
            elsewhere=int(request.retry_elsewhere is not False),
            keep_completed_ms=round(self._settings.keep_completed_seconds * 1000)
            if keep is None
            else keep,
            keep_failed_ms=round(self._settings.keep_failed_seconds * 1000)
            if keep is None
            else keep,
        )


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
    """What the script says of one job. Raises UnknownDependency, InvalidField."""
    pointer = prepared.pointer
    if result[0] == "unknown_dependency":
        names = prepared.job.depends_on
        # a repeat is told the id that the first call had given to an item of its own
        index = names.index(result[1]) if result[1] in names else 0
        where = f"{pointer}/depends_on/{index}"
        detail = f"no job {result[1]} of this customer"
        raise UnknownDependency(f"{where}: {detail}", errors=(FieldError(where, detail),))
    if result[0] != "ok":
        raise InvalidField.at(pointer + result[1], "the time has passed already")
    _, job_id, status, position, created, *kept = result
    answer = Submitted(job_id, status, position or None, None, rfc3339(created) or "")
    if kept:
        answer.durable = False
    return answer


def _short(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds


def _dependencies(request: JobRequest, refs: dict[str, str], pointer: str) -> list[str]:
    found: dict[str, None] = {}
    for index, name in enumerate(request.depends_on or []):
        if name.startswith("#"):
            if name[1:] not in refs or refs[name[1:]] == refs.get(request.ref or ""):
                raise InvalidField.at(
                    f"{pointer}/depends_on/{index}", f"no earlier item has the ref {name[1:]!r}"
                )
            name = refs[name[1:]]
        found[name] = None
    return list(found)


def _metadata(request: JobRequest, pointer: str) -> dict[str, str]:
    metadata = request.metadata or {}
    if len(metadata) > METADATA_PAIRS:
        raise InvalidField.at(
            f"{pointer}/metadata", f"{len(metadata)} pairs; at most {METADATA_PAIRS}"
        )
    for name, value in metadata.items():
        if len(name.encode()) + len(value.encode()) > METADATA_BYTES:
            raise InvalidField.at(
                f"{pointer}/metadata/{name}", f"a pair holds at most {METADATA_BYTES} bytes"
            )
    return metadata


def _inputs(request: JobRequest, pointer: str) -> dict[str, InputFile]:
    inputs: dict[str, InputFile] = {}
    for name, where in (request.inputs or {}).items():
        if not where.startswith("https://"):
            raise InvalidField.at(
                f"{pointer}/inputs/{name}", f"{where!r}: an https URL is expected"
            )
        inputs[name] = InputFile(where)
    return inputs
