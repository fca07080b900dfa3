"""What a connector is: the piece between the worker and one service on its machine. Knows no hub."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

#: Attempt ids are derived in this space, so that every process derives the same one.
ATTEMPTS = uuid.UUID("5f0c8a52-6f0f-5d0e-9a53-0e1b7b6c1a77")

#: Bytes, or a function that begins the stream anew each time (an upload may have to be repeated).
Source = bytes | Callable[[], AsyncIterator[bytes]]

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class JobFailed(Exception):
    """This attempt failed; the text is what the job's owner reads.

    `retry` says whether another attempt may succeed; `details` is any JSON for a program.
    """

    retry = True

    def __init__(
        self, text: str, *, retry: bool | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.details = details
        if retry is not None:
            self.retry = retry


class ServiceBusy(JobFailed):
    """The service cannot take the job now and has begun nothing.

    The next connector of the service is tried, else the job is given back, which costs it no attempt.
    """


class ServiceLost(JobFailed):
    """The service went away or broke in the middle; the job is retried."""


class JobInvalid(JobFailed):
    """The job itself is wrong: no attempt anywhere can succeed."""

    retry = False


class InputFile(msgspec.Struct, frozen=True):
    """A file that a job brings along."""

    url: str
    size_bytes: int | None = None
    sha256: str | None = None


class Job(msgspec.Struct, kw_only=True):
    """One attempt at one job, as a connector sees it. Source: contract.md, "assignment"."""

    job_id: str
    attempt: int
    job_type: str = ""
    priority: int = 50
    customer_id: str | None = None
    payload: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    inputs: dict[str, InputFile] | None = None
    requirements: dict[str, Any] | None = None
    timeout_seconds: float = 1800.0
    trace: Any = None

    @property
    def attempt_id(self) -> str:
        """A canonical UUID that every process derives alike from the job and the attempt."""
        return self.id_of_attempt(self.attempt)

    def id_of_attempt(self, attempt: int) -> str:
        """The attempt_id of an earlier attempt at the same job."""
        return str(uuid.uuid5(ATTEMPTS, f"{self.job_id}/{attempt}"))

    def read(self, shape: type[T]) -> T:
        """The payload as `shape`. Raises JobInvalid that names the wrong field."""
        try:
            return msgspec.json.decode(self.payload, type=shape)
        except msgspec.ValidationError as error:
            rule, _, where = str(error).partition(" - at `$")
            raise JobInvalid(f"payload{where.rstrip('`')}: {rule}") from None


class Result(msgspec.Struct):
    """What a successful attempt yields: `value` is any JSON (msgspec.Raw is passed on as it is).

    What was uploaded through the report becomes the job's artifacts.
    """

    value: Any = None


class Preview(msgspec.Struct):
    """A picture of how far the run is; the worker drops those above 256 KiB."""

    content_type: str
    data: bytes


class Models(msgspec.Struct):
    """Model names that a service can run ("all": any), and those in its memory now."""

    available: list[str] | str = msgspec.field(default_factory=list[str])
    loaded: list[str] = msgspec.field(default_factory=list[str])


class Report(Protocol):
    """A run's only way out."""

    def __call__(
        self,
        progress: float | None = None,
        message: str | None = None,
        current_step: str | None = None,
        preview: Preview | None = None,
    ) -> None:
        """Tells how far the run is, in percent. Call it as often as you like: the worker sends the latest, at most ten a second."""
        ...

    async def upload(self, name: str, source: Source, content_type: str) -> None:
        """Stores one artifact at the hub, repeated while the hub cannot be reached."""
        ...


class NoSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Of a connector that has nothing to set."""


class Connector(ABC, Generic[S]):
    """Runs jobs on one service.

    Write `run`; everything else has a default. `Settings` is a msgspec struct with
    `forbid_unknown_fields=True`: the keys of the [[connector]] table of worker.toml beyond service, kind,
    slots, timeout_seconds and breaker. `service` is the service's name where the table states none.

    - `run` is called once per attempt, concurrently up to the table's `slots`, in the worker's event loop:
      it must not block. Its return value completes the attempt. `ServiceBusy` gives
      it back, `ServiceLost` fails it so that it is retried (both count for the breaker), `JobInvalid` fails
      the job for good, `JobFailed` says itself whether to retry; every other exception is a failure that
      is retried.
    - Progress and artifacts go out through `report` alone.
    - Cancellation: `run` gets asyncio.CancelledError, for a cancelled job, a time-out, a stop by the hub and
      the worker's shutdown. After it has ended, `cancel(job)` is awaited (10 s at most): there the service is
      told to stop what it does for this attempt. A `run` that answers the cancellation with a result
      has its result sent.
    - The worker enforces time-outs; `run` need not.
    - After a crash of the worker the service may still work on an earlier attempt, or have its result.
      `job.attempt_id` and `job.id_of_attempt(n)` are the same in every process, so a service that takes
      ids can be asked before anything is begun again.
    """

    service: ClassVar[str]
    Settings: ClassVar[type[msgspec.Struct]] = NoSettings

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    async def run(self, job: Job, report: Report) -> Result:
        """One attempt, from its payload to its result."""

    async def start(self) -> None:
        """Called once before anything else; may raise StartRefused where the settings cannot work. A service that is down is no reason."""

    async def stop(self) -> None:
        """Called once at the end."""

    async def check(self) -> None:
        """Raises ServiceLost (or OSError) while the service cannot take jobs; called every few seconds."""

    async def models(self) -> Models:
        """What the service can run; called when a check succeeds after a failure, and at the start."""
        return Models()

    async def hardware(self) -> dict[str, float | str]:
        """The hardware behind the service, as `hardware` of a worker's capabilities; {} where it cannot tell."""
        return {}

    async def cancel(self, job: Job) -> None:
        """Tells the service to stop this attempt; also called where it may have ended already."""
