"""The connectors of a worker: which one takes a job, and which services are well."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from empq.connectors.base import Job, JobFailed, Models, ServiceBusy, ServiceLost
from empq.connectors.loading import AnyConnector

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
CHECK_TIMEOUT_SECONDS = 10.0
UNCHECKED = "not checked yet"


class Breaker(msgspec.Struct, forbid_unknown_fields=True):
    """After `failures` failures of the service in a row it counts as unhealthy for `open_seconds`; then one more closes or opens it again."""

    failures: int = 5
    open_seconds: float = 60.0


class Backend:
    """One [[connector]] of the file with what is known about it."""

    def __init__(
        self,
        service: str,
        connector: AnyConnector,
        slots: int = 1,
        timeout_seconds: float | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.service = service
        self.connector = connector
        self.slots = slots
        self.timeout_seconds = timeout_seconds
        self.models = Models()
        self.hardware: dict[str, float | str] = {}
        self.problem: str | None = UNCHECKED
        self.room = asyncio.Semaphore(slots)
        self.on_unhealthy: Callable[[], None] | None = None
        self._breaker = breaker or Breaker()
        self._failures = 0
        self._opened_at: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether jobs may go there."""
        return self.problem is None and not self._is_open()

    @property
    def complaint(self) -> str | None:
        """Why not."""
        return self.problem or (f"{self._failures} failures in a row" if self._is_open() else None)

    def succeeded(self) -> None:
        """The service did its part."""
        self._failures, self._opened_at = 0, None

    def failed(self, error: Exception) -> None:
        """Counts what speaks against the service; a job's own failure says nothing about it."""
        if not isinstance(error, (ServiceBusy, ServiceLost, OSError)):
            return
        was_healthy = self.healthy
        self._failures += 1
        if isinstance(error, ServiceBusy):
            self.problem = str(error)  # until the next check
        if self._failures >= self._breaker.failures:
            self._opened_at = time.monotonic()
        if was_healthy and not self.healthy and self.on_unhealthy is not None:
            self.on_unhealthy()

    async def check(self) -> None:
        """Asks the service how it is, and logs a change; reads its models when it has come back."""
        before = self.problem
        await self._ask()
        if before != UNCHECKED and (before is None) == (self.problem is None):
            return
        if self.problem is None:
            log.info("service_well service=%s", self.service)
        else:
            log.warning("service_unwell service=%s problem=%s", self.service, self.problem)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self.connector.check()
                if self.problem is not None:
                    self.models = await self.connector.models()
                    self.hardware = await self.connector.hardware()
            self.problem = None
        except (JobFailed, OSError) as error:
            self.problem = str(error) or type(error).__name__
        except Exception as error:
            log.exception("check_failed service=%s", self.service)
            self.problem = f"{type(error).__name__}: {error}"

    def _is_open(self) -> bool:
        return (
            self._opened_at is not None
            and time.monotonic() - self._opened_at < self._breaker.open_seconds
        )


class Services:
    """All backends, in the order of the file."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self.backends = list(backends)

    @property
    def slots(self) -> int:
        """How many runs the connectors take together."""
        return sum(backend.slots for backend in self.backends)

    async def start(self) -> None:
        """Starts all connectors and looks at their services once."""
        for backend in self.backends:
            await backend.connector.start()
        await self._check_all()

    async def stop(self) -> None:
        """Stops all connectors; one that fails at it does not keep the others."""
        for backend in self.backends:
            try:
                await backend.connector.stop()
            except Exception:
                log.exception("stop_failed service=%s", backend.service)

    async def watch(self, changed: Callable[[], None]) -> None:
        """Checks for ever; calls `changed` when a service's health or models are other than before."""
        before = self._state()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._check_all()
            if (now := self._state()) != before:
                before = now
                changed()

    def route(self, job: Job) -> list[Backend]:
        """The backends that may run the job, best first: healthy with room, healthy, the others; [] where the service is unknown."""
        wanted = (job.requirements or {}).get("service_type")
        if wanted is None and self.backends:
            wanted = next((b.service for b in self.backends if b.healthy), self.backends[0].service)
        mine = [backend for backend in self.backends if backend.service == wanted]
        if len(mine) > 1:
            mine.sort(key=lambda backend: (not backend.healthy, backend.room.locked()))
        return mine

    def status(self) -> dict[str, dict[str, Any]]:
        """connector_status of a heartbeat: a service is healthy where one of its backends is."""
        found: dict[str, dict[str, Any]] = {}
        for service in self.names():
            backends = [b for b in self.backends if b.service == service]
            if any(backend.healthy for backend in backends):
                found[service] = {"status": "healthy"}
            else:
                found[service] = {"status": "unhealthy", "detail": backends[0].complaint}
        return found

    def names(self) -> list[str]:
        """The services in the file's order, each once."""
        return list(dict.fromkeys(backend.service for backend in self.backends))

    def offers(self) -> list[dict[str, Any]]:
        """`services` of the capabilities, as the connectors tell them."""
        offers: list[dict[str, Any]] = []
        for service, state in self.status().items():
            backends = [b for b in self.backends if b.service == service]
            models = [backend.models.available for backend in backends]
            available: list[str] | str = (
                "all" if "all" in models else sorted({name for names in models for name in names})
            )
            loaded = sorted({name for backend in backends for name in backend.models.loaded})
            offers.append(
                {
                    "name": service,
                    "models": available,
                    "loaded": loaded,
                    "healthy": state["status"] == "healthy",
                    "capacity": sum(backend.slots for backend in backends),
                }
            )
        return offers

    def hardware(self) -> dict[str, float | str]:
        """What the connectors know about the machine; the first that tells counts."""
        known: dict[str, float | str] = {}
        for backend in reversed(self.backends):
            known.update(backend.hardware)
        return known

    async def _check_all(self) -> None:
        await asyncio.gather(*(backend.check() for backend in self.backends))

    def _state(self) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
        return self.status(), self.offers()
