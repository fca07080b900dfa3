"""Artifacts to the hub, by PUT; repeated while the hub cannot be reached."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp

from empq.connectors.base import JobFailed, JobInvalid, Source
from empq.worker.addresses import HubAddress
from empq.worker.wire import Assignment

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
LAST_DELAY_SECONDS = 10.0
REPEATED = frozenset({408, 429, 500, 502, 503, 504, 507})


class HubFiles:
    """Uploads of one worker; the session begins with the first."""

    def __init__(self, address: HubAddress, token: str | None, worker_id: str) -> None:
        self._address = address
        self._token = token
        self._worker_id = worker_id
        self._session: aiohttp.ClientSession | None = None

    async def upload(self, job: Assignment, name: str, source: Source, content_type: str) -> None:
        """One artifact; ends when the hub has it. The run's time-out bounds the repeats."""
        url = f"{self._address.http}/api/jobs/{quote(job.job_id)}/artifacts/{quote(name, safe='')}"
        query = {"worker_id": self._worker_id, "attempt": str(job.attempt)}
        if job.lease is not None:
            query["lease"] = job.lease
        attempt = 0
        while True:
            try:
                status, text = await self._put(url, query, source, content_type)
            except (aiohttp.ClientConnectionError, TimeoutError):
                status, text = 503, ""
            if status < 300:
                return
            if status not in REPEATED:
                _refuse(name, status, text)
            attempt += 1
            await asyncio.sleep(
                random.uniform(0, min(LAST_DELAY_SECONDS, 0.2 * 2 ** min(attempt, 8)))
            )

    async def close(self) -> None:
        """Ends the session."""
        if self._session is not None:
            await self._session.close()

    async def _put(
        self, url: str, query: dict[str, str], source: Source, content_type: str
    ) -> tuple[int, str]:
        if self._session is None:
            headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
            self._session = aiohttp.ClientSession(
                headers=headers,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS
                ),
            )
        body = source if isinstance(source, bytes) else _SourceStream(source())
        try:
            async with self._session.put(
                url,
                params=query,
                data=body if isinstance(body, bytes) else body.chunks(),
                headers={"Content-Type": content_type},
                allow_redirects=False,
            ) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            if not isinstance(body, bytes) and body.error is not None:
                raise body.error from None
            raise


class _SourceStream:
    """Keeps what went wrong in the source apart from what went wrong on the way to the hub."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self.error: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._source:
                yield chunk
        except Exception as error:
            self.error = error
            raise


def _refuse(name: str, status: int, text: str) -> None:
    detail = f"artifact {name!r}: the hub answered {status}: {text[:300]}"
    if status in (400, 413, 422):
        raise JobInvalid(detail)
    raise JobFailed(detail)
