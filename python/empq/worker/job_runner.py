"""One attempt: run, progress, cancellation, time-out, and the one report that ends it."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from typing import Any, Protocol

import msgspec

from empq.connectors.base import Job, JobFailed, Preview, Result, ServiceBusy, Source
from empq.worker.outbox import Outbox
from empq.worker.services import Backend
from empq.worker.wire import (
    Assignment,
    AttemptKey,
    CompleteJob,
    FailJob,
    JobAcceptedByWorker,
    ReleaseJob,
    UpdateJobProgress,
)

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.1
LARGEST_RESULT = 1024 * 1024
LARGEST_PREVIEW = 256 * 1024
CANCEL_SECONDS = 10.0
#: The hub's own time-out comes first (its outcome is `timeout`); this one is for when no hub can be reached.
TIMEOUT_MARGIN_SECONDS = 2.0


class Uploader(Protocol):
    """Where artifacts go."""

    async def upload(self, job: Assignment, name: str, source: Source, content_type: str) -> None:
        """Stores one artifact of an attempt."""
        ...


class RunReport:
    """The `report` that a connector gets: throttles progress, remembers the artifacts."""

    def __init__(self, job: Assignment, outbox: Outbox, uploader: Uploader) -> None:
        self._job = job
        self._outbox = outbox
        self._uploader = uploader
        self._sent_at = -PROGRESS_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self.latest: UpdateJobProgress | None = None
        self.artifacts: list[str] = []

    def __call__(
        self,
        progress: float | None = None,
        message: str | None = None,
        current_step: str | None = None,
        preview: Preview | None = None,
    ) -> None:
        """See connectors.base.Report."""
        before = self.latest
        if progress is not None:
            progress = min(100.0, max(0.0, progress))
        elif before is not None:
            progress = before.progress
        encoded = _encoded(preview)
        if encoded is None and before is not None and self._timer is not None:
            encoded = before.preview  # still unsent
        is_edge = progress in (0, 100) and (before is None or before.progress != progress)
        self.latest = UpdateJobProgress(
            id=self._job.key.notice_id,
            job_id=self._job.job_id,
            attempt=self._job.attempt,
            lease=self._job.lease,
            progress=progress,
            message=message,
            current_step=current_step,
            preview=encoded,
        )
        self._send_when_due(at_once=is_edge)

    async def upload(self, name: str, source: Source, content_type: str) -> None:
        """See connectors.base.Report."""
        await self._uploader.upload(self._job, name, source, content_type)
        self.artifacts.append(name)

    def close(self) -> None:
        """Sends the progress that waits for its turn, and nothing later."""
        if self._timer is not None:
            self._timer.cancel()
            self._send()

    def _send_when_due(self, at_once: bool) -> None:
        wait = self._sent_at + PROGRESS_SECONDS - time.monotonic()
        if at_once or wait <= 0:
            self._send()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.latest is not None:
            self._sent_at = time.monotonic()
            self._outbox.progress(self._job.key, self.latest)


class RunOwner(Protocol):
    """Who hears of a run's end."""

    def run_ended(self, run: Run) -> None:
        """The slot is free; a report, if any, is in the outbox."""
        ...


class Run:
    """An attempt that is held. Ends by itself, or by `stop`."""

    def __init__(
        self,
        job: Assignment,
        route: list[Backend],
        outbox: Outbox,
        uploader: Uploader,
        owner: RunOwner,
    ) -> None:
        self.job = job
        self.key: AttemptKey = job.key
        self._route = route
        self._outbox = outbox
        self._owner = owner
        self._report = RunReport(job, outbox, uploader)
        self._began = time.monotonic()
        self._active: Backend | None = None
        self._answer: ReleaseJob | FailJob | None = None
        self._stopped = False
        self._ended = False
        limit = job.timeout_seconds + TIMEOUT_MARGIN_SECONDS
        own = [b.timeout_seconds for b in route if b.timeout_seconds is not None]
        self._limit = min([limit, *own])
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accepts and runs."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run())
        self._timer = loop.call_later(self._limit, self._time_out)
        self.tell()

    def tell(self) -> None:
        """Says to the hub where the run is; again after a reconnect, as the first time may have been lost."""
        if self._report.latest is not None:
            self._outbox.progress(self.key, self._report.latest)
        else:
            self._outbox.accept(
                self.key,
                JobAcceptedByWorker(
                    id=self.key.notice_id,
                    job_id=self.job.job_id,
                    attempt=self.job.attempt,
                    lease=self.job.lease,
                ),
            )

    def stop(self, answer: ReleaseJob | FailJob | None) -> None:
        """Ends the run early; `answer` is reported, None where nobody waits for one."""
        if self._stopped or self._ended or self._task is None:
            return
        self._stopped, self._answer = True, answer
        self._task.cancel()
        if self._active is None:  # not begun: its first line never runs
            self._end(answer)

    def release(self, reason: str) -> None:
        """Ends the run and gives the job back."""
        self.stop(release(self.job, reason))

    async def ended(self) -> None:
        """Waits until nothing of the run is left."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        self._active = self._route[0]
        try:
            result = await self._first_that_takes_it()
            self._end(self._completion(result))
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            await self._cancel_at_service()
            self._end(self._answer)
        except ServiceBusy as error:
            self._end(release(self.job, str(error)))
        except JobFailed as error:
            self._end(self._failure(str(error), error.details, error.retry))
        except Exception as error:
            log.exception("run_failed job_id=%s", self.job.job_id)
            self._end(self._failure(f"{type(error).__name__}: {error}", None, True))

    async def _first_that_takes_it(self) -> Result:
        for backend in self._route:
            self._active = backend
            try:
                async with backend.room:
                    result = await backend.connector.run(self.job, self._report)
                backend.succeeded()
                return result
            except ServiceBusy as error:
                backend.failed(error)
                if backend is self._route[-1]:
                    raise
            except Exception as error:
                backend.failed(error)
                raise
        raise ServiceBusy("no connector")  # a route is never empty

    async def _cancel_at_service(self) -> None:
        job: Job = self.job
        if self._active is None:
            return
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._active.connector.cancel(job)
        except Exception as error:
            log.warning("cancel_failed job_id=%s error=%s", job.job_id, error)

    def _time_out(self) -> None:
        text = f"run_timeout: no result within {self._limit:g} seconds"
        self.stop(self._failure(text, None, True))

    def _completion(self, result: Result) -> CompleteJob | FailJob:
        try:
            value = msgspec.json.encode(result.value)
        except (TypeError, ValueError) as error:
            return self._failure(f"the connector's result is not JSON: {error}", None, False)
        if len(value) > LARGEST_RESULT:
            text = f"the result has {len(value)} bytes, more than {LARGEST_RESULT}: it should be an artifact"
            return self._failure(text, None, False)
        return CompleteJob(
            id=self.key.report_id,
            job_id=self.job.job_id,
            attempt=self.job.attempt,
            lease=self.job.lease,
            result=msgspec.Raw(value),
            processing_ms=round((time.monotonic() - self._began) * 1000),
            artifacts=self._report.artifacts or None,
        )

    def _failure(self, text: str, details: dict[str, Any] | None, retry: bool) -> FailJob:
        return failure(self.job, text, details, retry)

    def _end(self, report: CompleteJob | FailJob | ReleaseJob | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._report.close()
        if report is not None:
            self._outbox.report(self.key, report)
        self._owner.run_ended(self)


def release(job: Assignment, reason: str) -> ReleaseJob:
    """The message that gives an attempt back."""
    return ReleaseJob(
        id=job.key.report_id,
        job_id=job.job_id,
        attempt=job.attempt,
        lease=job.lease,
        reason=reason,
    )


def failure(job: Assignment, text: str, details: dict[str, Any] | None, retry: bool) -> FailJob:
    """The message that fails an attempt."""
    return FailJob(
        id=job.key.report_id,
        job_id=job.job_id,
        attempt=job.attempt,
        lease=job.lease,
        error=text or "no reason given",
        error_details=details,
        retry=retry,
    )


def _encoded(preview: Preview | None) -> dict[str, str] | None:
    if preview is None or len(preview.data) > LARGEST_PREVIEW:
        return None
    return {
        "content_type": preview.content_type,
        "data": base64.b64encode(preview.data).decode(),
    }


def failure_like(report: CompleteJob, text: str) -> FailJob:
    """The failure of an attempt whose result the hub cannot take."""
    return FailJob(
        id=report.id,
        job_id=report.job_id,
        attempt=report.attempt,
        lease=report.lease,
        error=text,
        retry=False,
    )
