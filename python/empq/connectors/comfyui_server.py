"""The calls and the socket of one ComfyUI server. Source: research of its protocol, versions 0.3 to 0.38.

Everything that keeps the server from answering is ServiceLost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import struct
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple, Protocol, cast

import aiohttp

from empq.connectors.base import JobFailed, Preview, ServiceLost

log = logging.getLogger(__name__)

CALL_SECONDS = 30.0
SILENT_SECONDS = 120.0
CHUNK = 256 * 1024
LAST_DELAY_SECONDS = 5.0
PREVIEW_IMAGE, PREVIEW_WITH_METADATA = 1, 4
IMAGE_TYPES = {1: "image/jpeg", 2: "image/png"}


class OutputFile(NamedTuple):
    """A file that a node made."""

    node: str
    key: str
    filename: str
    subfolder: str
    type: str


class Listener(Protocol):
    """Who hears what comes over the socket."""

    def connected(self) -> None:
        """Events may have been missed until now."""
        ...

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """A JSON message."""
        ...

    def image(self, prompt_id: str | None, node: str | None, image: Preview) -> None:
        """A picture; older servers do not say whose."""
        ...


class ComfyuiServer:
    """One server, one client id."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.client_id = uuid.uuid4().hex
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()

    async def remaining(self) -> int:
        """Prompts that run or wait: the cheapest question."""
        return (await self._json("GET", "/prompt"))["exec_info"]["queue_remaining"]

    async def post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """POST /prompt: the status (200 or 400) and the answer."""
        async with self._call("POST", "/prompt", data=body) as answer:
            if answer.status not in (200, 400):
                raise ServiceLost(f"{self.url}/prompt answered {answer.status}")
            return answer.status, await answer.json(content_type=None)

    async def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The record of a prompt that has ended."""
        return (await self._json("GET", f"/history/{prompt_id}")).get(prompt_id)

    async def queue(self) -> tuple[set[str], set[str]]:
        """Ids of the prompts that run, and of those that wait."""
        queue = await self._json("GET", "/queue")
        running, pending = queue["queue_running"], queue["queue_pending"]
        return {item[1] for item in running}, {item[1] for item in pending}

    async def delete(self, prompt_id: str) -> None:
        """Takes a waiting prompt out of the queue."""
        await self._tell("/queue", {"delete": [prompt_id]})

    async def interrupt(self, prompt_id: str) -> None:
        """Only when this prompt runs: older servers interrupt whatever does."""
        await self._tell("/interrupt", {"prompt_id": prompt_id})

    async def free(self) -> None:
        """Asks for the GPU's memory back."""
        await self._tell("/free", {"unload_models": True, "free_memory": True})

    async def node_choices(self, node: str, field: str) -> list[str]:
        """What a node's list offers; [] where the server has no such node."""
        info = (await self._json("GET", f"/object_info/{node}")).get(node)
        if info is None:
            return []
        spec: list[Any] = info["input"]["required"].get(field, [[]])
        if isinstance(spec[0], list):
            return [str(choice) for choice in spec[0]]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return [str(choice) for choice in spec[1].get("options", [])] if len(spec) > 1 else []

    async def devices(self) -> list[dict[str, Any]]:
        """The devices of /system_stats."""
        return (await self._json("GET", "/system_stats")).get("devices", [])

    async def download(self, file: OutputFile) -> AsyncIterator[bytes]:
        """The bytes of a file. Raises JobFailed where the server no longer has it."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        async with self._call("GET", "/view", params=query, seconds=None) as answer:
            if answer.status == 404:
                raise JobFailed(f"node {file.node}: {file.filename} is no longer on the server")
            if answer.status != 200:
                raise ServiceLost(f"{self.url}/view answered {answer.status}")
            async for chunk in answer.content.iter_chunked(CHUNK):
                yield chunk

    async def listen(self, listener: Listener) -> None:
        """Hears the socket for ever; connects again when it breaks."""
        failures = 0
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with self._client().ws_connect(
                    f"{self.url}/ws", params={"clientId": self.client_id}, max_msg_size=0
                ) as socket:
                    flags = {"supports_preview_metadata": True}
                    await socket.send_json({"type": "feature_flags", "data": flags})
                    listener.connected()
                    failures = 0
                    async for message in socket:
                        _pass_on(message, listener)
            failures += 1
            await asyncio.sleep(
                random.uniform(0, min(LAST_DELAY_SECONDS, 0.1 * 2 ** min(failures, 8)))
            )

    async def _json(self, method: str, path: str) -> dict[str, Any]:
        async with self._call(method, path) as answer:
            if answer.status != 200:
                raise ServiceLost(f"{self.url}{path} answered {answer.status}")
            return await answer.json(content_type=None)

    async def _tell(self, path: str, body: dict[str, Any]) -> None:
        async with self._call("POST", path, data=json.dumps(body).encode()) as answer:
            await answer.read()

    @contextlib.asynccontextmanager
    async def _call(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        params: dict[str, str] | None = None,
        seconds: float | None = CALL_SECONDS,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_read=SILENT_SECONDS, sock_connect=10)
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            async with self._client().request(
                method, self.url + path, data=data, params=params, headers=headers, timeout=timeout
            ) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise ServiceLost(f"{self.url}{path}: {reason}") from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A kept connection may be dead, and a POST on it lost: each call opens its own.
            one_call = aiohttp.TCPConnector(force_close=True)
            self._session = aiohttp.ClientSession(connector=one_call)
        return self._session


def _pass_on(message: aiohttp.WSMessage, listener: Listener) -> None:
    if message.type == aiohttp.WSMsgType.TEXT:
        with contextlib.suppress(ValueError):
            decoded: Any = json.loads(message.data)
            if isinstance(decoded, dict):
                fields = cast(dict[str, Any], decoded)
                listener.event(str(fields.get("type")), fields.get("data") or {})
    elif message.type == aiohttp.WSMsgType.BINARY:
        with contextlib.suppress(ValueError, struct.error):
            _pass_on_image(message.data, listener)


def _pass_on_image(frame: bytes, listener: Listener) -> None:
    (kind,) = struct.unpack_from(">I", frame)
    if kind == PREVIEW_IMAGE:
        (code,) = struct.unpack_from(">I", frame, 4)
        listener.image(None, None, Preview(IMAGE_TYPES.get(code, "image/png"), frame[8:]))
    elif kind == PREVIEW_WITH_METADATA:
        (length,) = struct.unpack_from(">I", frame, 4)
        about: dict[str, Any] = json.loads(frame[8 : 8 + length])
        image = Preview(about.get("image_type", "image/jpeg"), frame[8 + length :])
        listener.image(about.get("prompt_id"), about.get("node_id"), image)
