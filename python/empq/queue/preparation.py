"""A request becomes a record and an envelope: every rule that needs no look at what is stored."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from empq.errors import InvalidField
from empq.messages.rest import JobRequest
from empq.model import identifiers
from empq.model.envelope import AssignmentHead, Details, InputFile, seal
from empq.model.requirements import Requirements, job_shape, resolve_timeout
from empq.model.times import unix_ms
from empq.settings import Settings
from empq.store.dataset import Dataset
from empq.store.record import JobRecord
from empq.store.store import NewJob, Shape

METADATA_PAIRS, METADATA_BYTES = 32, 256
DEFAULT_RETRY_DELAYS = [5.0, 15.0, 30.0]
NULL = msgspec.Raw(b"null")


class Prepared(NamedTuple):
    """A validated request, ready to be stored."""

    job: NewJob
    envelope: bytes
    shape: Shape
    pointer: str = ""  # where it stands in the body


class Preparation:
    """Raises what is wrong with a request, by its JSON pointer."""

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self._settings = settings
        #: settings kept with the data; another hub may change them
        self.dataset = dataset

    def prepare(self, request: JobRequest, refs: dict[str, str], pointer: str) -> Prepared:
        """One request, or an item of a batch that stands at `pointer`; its `ref` is noted in `refs`."""
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
            self.dataset.accept_ms
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
