"""The worker: claims what its slots can take, runs it, reports it, and ends in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from empq.connectors.loading import AnyConnector
from empq.worker import machine, offer
from empq.worker.addresses import HubAddress
from empq.worker.answers import Answers
from empq.worker.claims import Claims
from empq.worker.hub_files import HubFiles
from empq.worker.hub_link import HubLink
from empq.worker.job_runner import Run, failure, release
from empq.worker.outbox import Outbox
from empq.worker.services import Backend, Services
from empq.worker.wire import (
    PROTOCOL,
    Assignment,
    AttemptKey,
    HeldJob,
    HubMessage,
    RegisterWorker,
    UpdateCapabilities,
    WorkerHeartbeat,
    WorkerRegistered,
)

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
#: After the grace: time for releases to be acknowledged.
LAST_WORDS_SECONDS = 1.5
BEAT_ID = "beat"


class Worker:
    """A worker with its connectors. `run` ends after `drain`, or raises WorkerExit.

    Args:
        hub: address of the hub, http(s):// or ws(s)://.
        worker_id: its name, unique among the workers of the hub.
        connectors: in the order in which they are tried; a Backend where slots or time-outs are to be set.
        token: the API key.
        slots: how many jobs run at a time; by default what the connectors take together.
        capabilities: what the worker states of itself; the rest comes from connectors and machine.
        grace_seconds: how long `drain` lets runs finish before they are given back.
    """

    def __init__(
        self,
        hub: str | HubAddress,
        worker_id: str,
        connectors: Iterable[Backend | AnyConnector],
        *,
        token: str | None = None,
        slots: int | None = None,
        capabilities: offer.Capabilities | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        address = hub if isinstance(hub, HubAddress) else HubAddress.parse(hub, "hub")
        self.worker_id = worker_id
        self.services = Services(
            entry if isinstance(entry, Backend) else Backend(entry.service, entry)
            for entry in connectors
        )
        self.slots = self.services.slots if slots is None else slots
        self.runs: dict[AttemptKey, Run] = {}
        self._stated = capabilities or {}
        self._announced: offer.Capabilities = {"services": [], "hardware": {}}
        self._machine: dict[str, float | str] = {}
        self._grace_seconds = grace_seconds
        self._session: str | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._progress = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self.link = HubLink(address, token, self)
        self.outbox = Outbox(self.link.wake)
        self.claims = Claims(self.slots, self._free_slots, self.outbox.send)
        self._files = HubFiles(address, token, worker_id)
        self._answers = Answers(self)
        for backend in self.services.backends:
            backend.on_unhealthy = self.link.beat

    async def run(self) -> None:
        """Works until `drain` was called and everything that runs has ended."""
        self._machine = await machine.hardware()
        await self.services.start()
        link = asyncio.create_task(self.link.run())
        watch = asyncio.create_task(self.services.watch(self._services_changed))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((link, watch, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await self._finish(link)
            for task in (link, watch):
                if task.done():
                    task.result()
        finally:
            await self._end_runs()
            for task in (link, watch, stopping):
                task.cancel()
            await asyncio.gather(link, watch, stopping, return_exceptions=True)
            await self._files.close()
            await self.services.stop()

    def drain(self) -> None:
        """Takes nothing new and ends when what runs has ended; called again: gives it back now."""
        if self._stopping.is_set():
            self._hurry.set()
        self.claims.paused = True
        self.claims.cancel_timer()
        self._stopping.set()
        self.link.beat()

    # What the link asks.

    def registration(self) -> RegisterWorker:
        """See hub_link.LinkOwner."""
        self._announced = self._capabilities()
        return RegisterWorker(
            worker_id=self.worker_id,
            capabilities=self._announced,
            protocol=PROTOCOL,
            session=self._session,
            current_jobs=self._held(),
        )

    def registered(self, answer: WorkerRegistered) -> None:
        """See hub_link.LinkOwner."""
        self._session = answer.session
        log.info(
            "registered worker_id=%s slots=%d services=%s",
            self.worker_id,
            self.slots,
            ",".join(self.services.names()),
        )
        self.outbox.begin_connection()
        stopped = set(answer.stop)
        for run in list(self.runs.values()):
            if run.key.job_id in stopped:
                run.stop(None)
            else:
                run.tell()
        self.claims.begin_connection()
        self.note_change()

    def heartbeat(self) -> WorkerHeartbeat:
        """See hub_link.LinkOwner."""
        return WorkerHeartbeat(
            id=BEAT_ID,
            status="draining" if self._stopping.is_set() else None,
            current_jobs=self._held(),
            system_info=machine.load(),
            connector_status=self.services.status(),
        )

    def outgoing(self) -> list[bytes]:
        """See hub_link.LinkOwner. The claim comes last: reports before it have freed their slots at the hub."""
        self.claims.consider()
        return self.outbox.take()

    def received(self, message: HubMessage) -> None:
        """See hub_link.LinkOwner."""
        self._answers.dispatch(message)

    # What the answers ask.

    def assigned(self, job: Assignment) -> None:
        """Begins a run, or gives the job back where it cannot."""
        key = job.key
        if key in self.runs or key in self.outbox:
            return
        if self._stopping.is_set():
            self.outbox.report(key, release(job, "the worker shuts down"))
            return
        route = self.services.route(job)
        if not route:
            service = (job.requirements or {}).get("service_type")
            self.outbox.report(key, failure(job, f"no connector for {service!r} here", None, True))
            return
        run = self.runs[key] = Run(job, route, self.outbox, self._files, self)
        run.start()

    def run_ended(self, run: Run) -> None:
        """See job_runner.RunOwner."""
        self.runs.pop(run.key, None)
        self.link.wake()
        self.note_change()

    def drain_by_hub(self, deadline_seconds: float | None) -> None:
        """The hub gives nothing new; at the deadline the runs are given back."""
        self.claims.paused = True
        if deadline_seconds is not None:
            if self._deadline is not None:
                self._deadline.cancel()
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(deadline_seconds, self._release_runs)

    def resume_by_hub(self) -> None:
        """The hub has ended the drain."""
        if self._stopping.is_set() or not self.claims.paused:
            return
        self.claims.paused = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.link.wake()

    def note_change(self) -> None:
        """A run or a report has ended: whoever waits for the end looks again."""
        self._progress.set()

    # Private.

    def _free_slots(self) -> int:
        return self.slots - len(self.runs)

    def _held(self) -> list[HeldJob]:
        keys = dict.fromkeys((*self.runs, *self.outbox.unsettled()))
        return [HeldJob(job_id, attempt) for job_id, attempt in keys]

    def _capabilities(self) -> offer.Capabilities:
        return offer.capabilities(self._stated, self.services, self._machine, self.slots)

    def _services_changed(self) -> None:
        after = self._capabilities()
        if changes := offer.changes(self._announced, after):
            self.outbox.send(UpdateCapabilities(id="offer", capability_changes=changes))
        self._announced = after
        self.link.beat()

    def _release_runs(self) -> None:
        for run in list(self.runs.values()):
            run.release("the time to finish is over")

    async def _finish(self, link: asyncio.Task[None]) -> None:
        """Lets runs finish and reports be acknowledged within the grace; then gives the rest back."""
        log.info("draining runs=%d reports=%d", len(self.runs), len(self.outbox))
        hurry = asyncio.create_task(self._hurry.wait())
        done = asyncio.create_task(self._until_done())
        await asyncio.wait(
            (hurry, done, link),
            timeout=self._grace_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        hurry.cancel()
        if not done.done():
            self._release_runs()
            await asyncio.wait((done,), timeout=LAST_WORDS_SECONDS)
            done.cancel()
        if len(self.outbox):
            log.warning("unacknowledged reports=%d", len(self.outbox))
        await self.link.close()

    async def _until_done(self) -> None:
        while self.runs or len(self.outbox):
            self._progress.clear()
            await self._progress.wait()

    async def _end_runs(self) -> None:
        runs = list(self.runs.values())
        for run in runs:
            run.stop(None)
        if runs:
            ends = [asyncio.create_task(run.ended()) for run in runs]
            await asyncio.wait(ends, timeout=LAST_WORDS_SECONDS)
