"""`SyncClient`: the same calls for code without asyncio; a loop of its own runs `Client` in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from empq.client.http import CALL_SECONDS, DEFAULT_URL, Client, Object, Query

T = TypeVar("T")


class SyncClient:
    """Submits jobs and follows them; each method is that of `Client`. Usable from any thread, also where a loop runs.

    Use it as `with SyncClient(url, key) as client:` or call `close`.
    """

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None) -> None:
        self._client = Client(url, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="empq-client", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections and the thread."""
        if self._loop.is_closed():
            return
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Any:
        """See Client.call."""
        return self._run(
            self._client.call(
                method, path, body, query=query, headers=headers, timeout_seconds=timeout_seconds
            )
        )

    def submit(
        self,
        type: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Object:
        """See Client.submit."""
        return self._run(
            self._client.submit(type, payload, idempotency_key=idempotency_key, **fields)
        )

    def submit_batch(self, jobs: Iterable[Object], *, partial: bool = False) -> list[Object]:
        """See Client.submit_batch."""
        return self._run(self._client.submit_batch(jobs, partial=partial))

    def job(self, job_id: str, *, fields: Iterable[str] | None = None) -> Object:
        """See Client.job."""
        return self._run(self._client.job(job_id, fields=fields))

    def jobs(self, *, limit: int = 50, cursor: str | None = None, **filters: Any) -> Object:
        """See Client.jobs."""
        return self._run(self._client.jobs(limit=limit, cursor=cursor, **filters))

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> Object:
        """See Client.wait."""
        return self._run(self._client.wait(job_id, timeout_seconds=timeout_seconds))

    def cancel(self, job_id: str, reason: str | None = None) -> Object:
        """See Client.cancel."""
        return self._run(self._client.cancel(job_id, reason))

    def retry(self, job_id: str) -> Object:
        """See Client.retry."""
        return self._run(self._client.retry(job_id))

    def explain(self, job_id: str) -> Object:
        """See Client.explain."""
        return self._run(self._client.explain(job_id))

    def artifact(self, job_id: str, name: str) -> bytes:
        """See Client.artifact."""
        return self._run(self._client.artifact(job_id, name))

    def events(self, job_id: str, *, since: str | None = None) -> Iterator[Object]:
        """See Client.events."""
        return self._each(self._client.events(job_id, since=since))

    def watch(self, **filters: Any) -> Iterator[Object]:
        """See Client.watch."""
        return self._each(self._client.watch(**filters))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C ends the call too
            raise

    def _each(self, source: AsyncGenerator[Object]) -> Iterator[Object]:
        try:
            while True:
                try:
                    yield self._run(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            self._run(_close(source))


async def _next(source: AsyncGenerator[Object]) -> Object:
    return await anext(source)


async def _close(source: AsyncGenerator[Object]) -> None:
    await source.aclose()
