"""Runs graphs on a ComfyUI server: posts them under the attempt's id, follows them, fetches what they made.

/history is the truth; the socket only makes progress visible and the end noticed sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from empq.connectors import comfyui_graph, comfyui_history
from empq.connectors.base import (
    Connector,
    Job,
    JobFailed,
    JobInvalid,
    Models,
    Preview,
    Report,
    Result,
    ServiceBusy,
    ServiceLost,
)
from empq.connectors.comfyui_graph import ComfyuiPayload, GraphProgress
from empq.connectors.comfyui_server import ComfyuiServer, OutputFile

GIB = 1024**3
#: The lists of model files that a probe reads: (node class, its input).
MODEL_LISTS = (
    ("CheckpointLoaderSimple", "ckpt_name"),
    ("UNETLoader", "unet_name"),
    ("UnetLoaderGGUF", "unet_name"),
    ("LoraLoader", "lora_name"),
)
#: Between two looks after an event that announced the end, or after the prompt was not found.
SOON_SECONDS = 0.1
#: So many attempts back a prompt is looked for.
ADOPTED_ATTEMPTS = 4
#: That often a prompt must be in neither history nor queue to count as lost.
MISSES = 3
#: Pictures that came over the socket are held in memory up to here.
LARGEST_SOCKET_OUTPUT = 256 * 1024 * 1024
ENDS = frozenset({"execution_success", "execution_error", "execution_interrupted"})


class ComfyuiSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Keys of a [[connector]] of kind "comfyui"."""

    url: Annotated[str, Meta(pattern=r"^https?://[^\s]+$")]
    poll_seconds: Annotated[float, Meta(gt=0, le=3600)] = 2.0
    lost_after_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30.0


class Follower:
    """One run's ear: what the socket says about its prompt."""

    def __init__(self, progress: GraphProgress, report: Report) -> None:
        self.progress = progress
        self.changed = asyncio.Event()
        self.ended = False
        self.pictures: list[tuple[str, Preview]] = []
        self._report = report
        self._size = 0

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """See comfyui_server.Listener."""
        if kind in ENDS or (kind == "executing" and data.get("node") is None):
            self.ended = True
            self.changed.set()
        if self.progress.take(kind, data):
            self._tell(None)

    def image(self, node: str | None, image: Preview) -> None:
        """A preview, or an output of a node that sends its pictures this way."""
        if self.progress.sends_pictures and image.content_type == "image/png":
            self._size += len(image.data)
            if self._size > LARGEST_SOCKET_OUTPUT:
                return
            self.pictures.append((node or self.progress.node or "", image))
        else:
            self._tell(image)

    def _tell(self, preview: Preview | None) -> None:
        progress = self.progress
        self._report(progress.percent, progress.message, progress.current_step, preview)


class ComfyuiConnector(Connector[ComfyuiSettings]):
    """See the module's sentence; payload and result are in contract.md."""

    service = "comfyui"
    Settings = ComfyuiSettings

    def __init__(self, settings: ComfyuiSettings) -> None:
        super().__init__(settings)
        self._server = ComfyuiServer(settings.url)
        self._followers: dict[str, Follower] = {}
        self._posts: dict[str, asyncio.Task[str]] = {}
        self._adopted: dict[str, str] = {}
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen."""
        self._listening = asyncio.create_task(self._server.listen(self))

    async def stop(self) -> None:
        """Ends the connections."""
        if self._listening is not None:
            self._listening.cancel()
        await self._server.close()

    async def check(self) -> None:
        """One cheap call."""
        await self._server.remaining()

    async def models(self) -> Models:
        """The model files that the server lists."""
        names: list[str] = []
        for node, field in MODEL_LISTS:
            names += await self._server.node_choices(node, field)
        return Models(available=sorted(set(names)))

    async def hardware(self) -> dict[str, float | str]:
        """The GPUs that the server sees."""
        gpus = [device for device in await self._server.devices() if device.get("type") != "cpu"]
        if not gpus:
            return {}
        name = re.sub(r"^\w+:\d+ | : \w+$", "", str(gpus[0].get("name", "")))
        memory = round(gpus[0].get("vram_total", 0) / GIB, 1)
        return {"gpu_model": name, "gpu_memory_gb": memory, "gpu_count": len(gpus)}

    async def run(self, job: Job, report: Report) -> Result:
        """Adopts the prompt that this or an earlier attempt has left at the server, else posts one."""
        if job.inputs:
            raise JobInvalid("inputs: the comfyui connector takes no input files")
        payload, graph = comfyui_graph.read(job)
        follower = Follower(GraphProgress(graph), report)
        self._followers[job.attempt_id] = follower
        try:
            prompt_id = await self._begin(job, payload)
            self._followers[prompt_id] = follower
            record = await self._ended(prompt_id, follower)
            await self._judge(record)
            result = await self._fetch(record, follower, graph, report)
        except asyncio.CancelledError:
            raise  # `cancel` needs to know the post
        except Exception:
            self._forget(job)
            raise
        else:
            self._forget(job)
            report(100)
            return Result({"prompt_id": prompt_id, **result})
        finally:
            for known in [key for key, value in self._followers.items() if value is follower]:
                del self._followers[known]

    async def cancel(self, job: Job) -> None:
        """Out of the queue, or interrupted; ends when the server has let go of it."""
        post = self._posts.get(job.attempt_id)
        prompt_id = self._adopted.get(job.attempt_id, job.attempt_id)
        self._forget(job)
        if post is not None:
            await asyncio.wait((post,))
            prompt_id = prompt_id if post.cancelled() or post.exception() else post.result()
        while True:
            running, pending = await self._server.queue()
            if prompt_id in pending:
                await self._server.delete(prompt_id)
            elif prompt_id in running:
                await self._server.interrupt(prompt_id)
            else:
                return
            await asyncio.sleep(SOON_SECONDS)

    # What the socket says.

    def connected(self) -> None:
        """See comfyui_server.Listener."""
        for follower in self._followers.values():
            follower.changed.set()

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """See comfyui_server.Listener."""
        if (follower := self._followers.get(str(data.get("prompt_id")))) is not None:
            follower.event(kind, data)

    def image(self, prompt_id: str | None, node: str | None, image: Preview) -> None:
        """See comfyui_server.Listener. Without an id it belongs to whoever's node runs, if there is only one."""
        if prompt_id is not None:
            follower = self._followers.get(prompt_id)
        else:
            active = {id(f): f for f in self._followers.values() if f.progress.node is not None}
            follower = next(iter(active.values())) if len(active) == 1 else None
        if follower is not None:
            follower.image(node, image)

    # Private.

    async def _begin(self, job: Job, payload: ComfyuiPayload) -> str:
        try:
            known = await self._known(job)
        except ServiceLost as error:
            raise ServiceBusy(str(error)) from error
        if known is not None:
            self._adopted[job.attempt_id] = known
            return known
        # A post must not be torn in two: a cancel waits for it and then knows the prompt's id.
        post = self._posts[job.attempt_id] = asyncio.create_task(self._post(job, payload))
        return await asyncio.shield(post)

    async def _known(self, job: Job) -> str | None:
        """The prompt of this attempt, or of one of the last before it that goes on or has succeeded."""
        running, pending = await self._server.queue()
        for attempt in range(job.attempt, max(0, job.attempt - ADOPTED_ATTEMPTS), -1):
            prompt_id = job.id_of_attempt(attempt)
            if prompt_id in running | pending:
                return prompt_id
            record = await self._server.history(prompt_id)
            if record is None:
                continue
            if attempt == job.attempt or comfyui_history.failure(record) is None:
                return prompt_id
        return None

    def _forget(self, job: Job) -> None:
        self._posts.pop(job.attempt_id, None)
        self._adopted.pop(job.attempt_id, None)

    async def _post(self, job: Job, payload: ComfyuiPayload) -> str:
        ids = {"client_id": self._server.client_id, "prompt_id": job.attempt_id}
        body = b'{"prompt":' + payload.prompt + b"," + msgspec.json.encode(ids)[1:-1]
        if bytes(payload.extra_data)[:1] == b"{":
            body += b',"extra_data":' + payload.extra_data
        status, answer = await self._server.post(body + b"}")
        if status != 200:
            raise comfyui_history.refusal(answer)
        prompt_id = str(answer["prompt_id"])
        if answer.get("node_errors"):
            # Accepted without the outputs that are wrong: half a result is none.
            await self._server.delete(prompt_id)
            if prompt_id in (await self._server.queue())[0]:
                await self._server.interrupt(prompt_id)
            raise comfyui_history.refusal(answer)
        return prompt_id

    async def _ended(self, prompt_id: str, follower: Follower) -> dict[str, Any]:
        misses, lost_since = 0, None
        while True:
            wait = self.settings.poll_seconds
            follower.changed.clear()
            try:
                record = await self._server.history(prompt_id)
                if record is not None:
                    return record
                running, pending = await self._server.queue()
                misses = 0 if prompt_id in running | pending else misses + 1
                lost_since = None
            except ServiceLost as error:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since >= self.settings.lost_after_seconds:
                    raise ServiceLost(f"lost in the middle of the run: {error}") from error
            if misses >= MISSES and not follower.ended:
                raise ServiceLost("the server no longer knows the prompt: it was restarted")
            if misses >= 2 * MISSES * MISSES:
                raise ServiceLost("the prompt ended, but the server keeps no record of it")
            if misses or follower.ended:
                wait = SOON_SECONDS
            await _either(follower.changed, wait)

    async def _judge(self, record: dict[str, Any]) -> None:
        failure = comfyui_history.failure(record)
        if failure is None:
            return
        if comfyui_history.is_out_of_memory(str(failure)):
            with contextlib.suppress(ServiceLost):
                await self._server.free()
        raise failure

    async def _fetch(
        self, record: dict[str, Any], follower: Follower, graph: comfyui_graph.Graph, report: Report
    ) -> dict[str, Any]:
        files, values = comfyui_history.outputs(record)
        listed: list[dict[str, Any]] = []
        names: set[str] = set()
        for file in files:
            name = _artifact_name(file.node, file.filename, names)
            kind = mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
            await report.upload(name, self._source(file), kind)
            entry = {"node": file.node, "key": file.key, "name": name, "type": file.type}
            listed.append(entry | {"filename": file.filename, "subfolder": file.subfolder})
        for node, image in follower.pictures:
            name = _artifact_name(node, f"{node}.png", names)
            await report.upload(name, image.data, image.content_type)
            listed.append({"node": node, "key": "images", "name": name, "type": "socket"})
        told = {node for node, _ in follower.pictures}
        for node, fields in graph.items():
            if fields["class_type"] in comfyui_graph.SOCKET_NODES and node not in told:
                raise JobFailed(f"node {node} sends its pictures over the socket; none came")
        return {"outputs": listed} | ({"values": values} if values else {})

    def _source(self, file: OutputFile) -> Callable[[], AsyncIterator[bytes]]:
        return lambda: self._server.download(file)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Until the event or the time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _artifact_name(node: str, filename: str, taken: set[str]) -> str:
    """The file's name in safe characters; the node's id before it, then a number, where it is taken."""
    base = re.sub(r"[^A-Za-z0-9._-]", "_", filename)[-100:].lstrip(".") or "output"
    safe_node = re.sub(r"[^A-Za-z0-9._-]", "_", node)[-40:]
    candidates = [base, f"{safe_node}-{base}"]
    count = 1
    while candidates[0] in taken:
        candidates.pop(0)
        if not candidates:
            count += 1
            candidates.append(f"{safe_node}-{count}-{base}")
    taken.add(candidates[0])
    return candidates[0]
