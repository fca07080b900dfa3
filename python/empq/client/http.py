"""`Client`: the REST calls of a hub, for asyncio. `SyncClient` is its twin without."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from empq.client import live
from empq.client.problems import HubUnreachable, error_of
from empq.model.lifecycle import ENDED
from empq.settings import DEFAULT_PORT

DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
#: One call of `wait`; longer waits are several.
WAIT_SECONDS = 30.0
CALL_SECONDS = 60.0
CONNECT_SECONDS = 10.0

Object = dict[str, Any]
Query = Mapping[str, str | int | float | None]


class Client:
    """Submits jobs and follows them.

    Use it as `async with Client(url, key) as client:` or call `close`. Every method raises the subclass of
    EmpqError that the hub's code names, and HubUnreachable where there is no connection; nothing is sent twice.

    Args:
        url: address of the hub; by default a local one.
        key: the API key; None for a hub with --no-auth.
    """

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Any:
        """Any call of the contract: the decoded JSON; bytes where the answer is something else; None where it is empty.

        `body` is encoded as JSON; bytes go as they are, as application/json too unless `headers` say otherwise.
        """
        status, kind, data, retry_after = await self._exchange(
            method, path, body, query, headers, timeout_seconds
        )
        if status >= 400:
            raise error_of(status, data, retry_after)
        if not data:
            return None
        return msgspec.json.decode(data) if kind.endswith("json") else data

    async def submit(
        self,
        type: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Object:
        """POST /api/jobs: {id, status, position, …}. `fields` are the request's others: priority, requirements, …"""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        body = {"type": type, "payload": payload, **fields}
        return await self.call("POST", "/api/jobs", body, headers=headers)

    async def submit_batch(self, jobs: Iterable[Object], *, partial: bool = False) -> list[Object]:
        """POST /api/jobs/batch: one {id, …} or {error} per job, in order."""
        body: Object = {"jobs": list(jobs)} | ({"partial": True} if partial else {})
        return (await self.call("POST", "/api/jobs/batch", body))["jobs"]

    async def job(self, job_id: str, *, fields: Iterable[str] | None = None) -> Object:
        """GET /api/jobs/{id}; `fields` narrows it."""
        query = {} if fields is None else {"fields": ",".join(fields)}
        return await self.call("GET", _job(job_id), query=query)

    async def jobs(self, *, limit: int = 50, cursor: str | None = None, **filters: Any) -> Object:
        """GET /api/jobs: one page, {jobs, next_cursor}; filters as in the contract."""
        return await self.call(
            "GET", "/api/jobs", query={**filters, "limit": limit, "cursor": cursor}
        )

    async def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> Object:
        """The job once it has ended, or as it is after `timeout_seconds`."""
        began = time.monotonic()
        while True:
            seconds = WAIT_SECONDS
            if timeout_seconds is not None:
                seconds = max(0.0, min(seconds, began + timeout_seconds - time.monotonic()))
            query = {"timeout_seconds": round(seconds, 3)}
            path = _job(job_id, "/wait")
            job = await self.call("GET", path, query=query, timeout_seconds=seconds + CALL_SECONDS)
            is_over = timeout_seconds is not None and time.monotonic() - began >= timeout_seconds
            if job["status"] in ENDED or is_over:
                return job

    async def cancel(self, job_id: str, reason: str | None = None) -> Object:
        """POST /api/jobs/{id}/cancel: the job."""
        return await self.call(
            "POST", _job(job_id, "/cancel"), {"reason": reason} if reason else {}
        )

    async def retry(self, job_id: str) -> Object:
        """POST /api/jobs/{id}/retry: the new job's {id, …}."""
        return await self.call("POST", _job(job_id, "/retry"), {})

    async def explain(self, job_id: str) -> Object:
        """GET /api/jobs/{id}/explain: which workers may take it, and what keeps the others from it."""
        return await self.call("GET", _job(job_id, "/explain"))

    async def artifact(self, job_id: str, name: str) -> bytes:
        """The bytes of one artifact."""
        path = _job(job_id, f"/artifacts/{quote(name, safe='')}")
        status, _, data, _ = await self._exchange("GET", path, None, None, None, CALL_SECONDS)
        if status >= 400:
            raise error_of(status, data)
        return data

    async def events(self, job_id: str, *, since: str | None = None) -> AsyncGenerator[Object]:
        """The job's events until it has ended; goes on where it was when the connection breaks.

        Without `since` the present state comes first.
        """
        path = self.url + _job(job_id, "/events")
        async for event in live.job_events(self._open_session(), path, self._headers, since):
            yield event

    async def watch(self, **filters: Any) -> AsyncGenerator[Object]:
        """Events of all jobs that the filters admit (customer_id, job_types, status, priority_min, workflow_id), over the socket, until it breaks."""
        async for event in live.notifications(
            self._open_session(), f"{self.url}/ws/client", self._headers, filters
        ):
            yield event

    async def _exchange(
        self,
        method: str,
        path: str,
        body: Any,
        query: Query | None,
        headers: Mapping[str, str] | None,
        timeout_seconds: float,
    ) -> tuple[int, str, bytes, str | None]:
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        told = {} if data is None else {"Content-Type": "application/json"}
        try:
            async with self._open_session().request(
                method,
                self.url + path,
                data=data,
                params={k: str(v) for k, v in (query or {}).items() if v is not None},
                headers={**self._headers, **told, **(headers or {})},
                timeout=aiohttp.ClientTimeout(timeout_seconds, sock_connect=CONNECT_SECONDS),
            ) as answer:
                content = await answer.read()
                retry_after = answer.headers.get("Retry-After")
                return answer.status, answer.content_type, content, retry_after
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise HubUnreachable(f"cannot reach the hub at {self.url}: {reason}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(raise_for_status=False)
        return self._session


def _job(job_id: str, rest: str = "") -> str:
    return f"/api/jobs/{quote(job_id, safe='')}{rest}"
