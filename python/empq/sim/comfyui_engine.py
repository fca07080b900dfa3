"""The ComfyUI stand-in's one thread of control: queue, execution, events, history.

The order of the events is the real server's: execution_success comes before the history record exists,
executing with a null node after it.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import struct
import time
from collections import OrderedDict
from typing import Any, NamedTuple, Protocol

from empq.sim import png
from empq.sim.comfyui_nodes import Models, NodeClass, Outcome, OutOfMemoryError, Picture, classes
from empq.sim.comfyui_validation import Graph, is_link

HISTORY_LENGTH = 10_000
KEPT_FILES = 1000
PREVIEW_SIDE = 96
PREVIEW_IMAGE, PREVIEW_WITH_METADATA = 1, 4
FORMAT_PNG = 2


class Prompt(NamedTuple):
    """A queued graph, ordered by its number."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]

    @property
    def client_id(self) -> str | None:
        """Whose events these are."""
        return self.extra_data.get("client_id")


class Audience(Protocol):
    """The sockets."""

    async def tell(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """To one client, or with None to all."""
        ...

    async def show(self, plain: bytes, described: bytes, client_id: str | None) -> None:
        """A binary frame: `described` goes to clients that understand previews with metadata."""
        ...


class Interrupted(Exception):
    """The running prompt was interrupted."""


class Engine:
    """Executes one prompt at a time."""

    def __init__(self, audience: Audience, models: Models, step_seconds: float) -> None:
        self.models = models
        self.pending: list[Prompt] = []
        self.running: Prompt | None = None
        self.history: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.files: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self.executed_prompts: list[str] = []
        self.last_node: str | None = None
        self._audience = audience
        self._step_seconds = step_seconds
        self._queued = asyncio.Event()
        self._interrupted = False
        self._cache: dict[str, Outcome] = {}
        self._counters: dict[str, int] = {}

    @property
    def remaining(self) -> int:
        """Prompts that run or wait."""
        return len(self.pending) + (self.running is not None)

    def classes(self) -> dict[str, NodeClass]:
        """The node classes, uploads among the choices of LoadImage."""
        uploads = [name for kind, folder, name in self.files if kind == "input" and not folder]
        return classes(self.models, uploads)

    async def enqueue(self, prompt: Prompt) -> None:
        """Behind those with a lower number."""
        heapq.heappush(self.pending, prompt)
        self._queued.set()
        await self._tell_status()

    async def delete(self, prompt_ids: list[str] | None) -> None:
        """Takes pending prompts out (None: all); there is no history entry and only a status event."""
        self.pending = [
            p for p in self.pending if prompt_ids is not None and p.prompt_id not in prompt_ids
        ]
        heapq.heapify(self.pending)
        await self._tell_status()

    def interrupt(self, prompt_id: str | None) -> None:
        """The running prompt, if it is this one; None: whichever runs."""
        if self.running is not None and prompt_id in (None, self.running.prompt_id):
            self._interrupted = True

    def store(self, kind: str, subfolder: str, filename: str, data: bytes) -> None:
        """Keeps a file; the oldest go."""
        self.files[kind, subfolder, filename] = data
        while len(self.files) > KEPT_FILES:
            self.files.popitem(last=False)

    async def run(self) -> None:
        """For ever."""
        while True:
            while not self.pending:
                self._queued.clear()
                await self._queued.wait()
            prompt = self.running = heapq.heappop(self.pending)
            await self._tell_status()
            await _Execution(self, prompt).run()
            self.running, self._interrupted, self.last_node = None, False, None
            await self._tell_status()
            if prompt.client_id is not None:
                finished = {"node": None, "prompt_id": prompt.prompt_id}
                await self._audience.tell("executing", finished, prompt.client_id)

    def record(
        self, prompt: Prompt, outputs: dict[str, Any], messages: list[Any], error: bool
    ) -> None:
        """Makes the history entry."""
        self.executed_prompts.append(prompt.prompt_id)
        status = "error" if error else "success"
        self.history[prompt.prompt_id] = {
            "prompt": list(prompt),
            "outputs": outputs,
            "status": {"status_str": status, "completed": not error, "messages": messages},
            "meta": {node: {"node_id": node, "display_node": node} for node in outputs},
        }
        while len(self.history) > HISTORY_LENGTH:
            self.history.popitem(last=False)

    async def tell(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """An event of the running prompt."""
        await self._audience.tell(event, data, client_id)

    async def show(self, plain: bytes, described: bytes, client_id: str | None) -> None:
        """A preview of the running prompt."""
        await self._audience.show(plain, described, client_id)

    def cached(self, signature: str) -> Outcome | None:
        """What a node with the same inputs gave before."""
        return self._cache.get(signature)

    def remember(self, signature: str, outcome: Outcome) -> None:
        """For the next prompt."""
        self._cache[signature] = outcome

    def count(self, prefix: str) -> int:
        """The next number of a file name."""
        self._counters[prefix] = self._counters.get(prefix, 0) + 1
        return self._counters[prefix]

    async def pause(self) -> None:
        """The time of one step; raises Interrupted."""
        await asyncio.sleep(self._step_seconds)
        if self._interrupted:
            raise Interrupted

    async def _tell_status(self) -> None:
        status = {"status": {"exec_info": {"queue_remaining": self.remaining}}}
        await self._audience.tell("status", status, None)


class _Execution:
    """One prompt from execution_start to its history entry; the workbench of its nodes."""

    def __init__(self, engine: Engine, prompt: Prompt) -> None:
        self._engine = engine
        self._prompt = prompt
        self._classes = engine.classes()
        self._messages: list[Any] = []
        self._outcomes: dict[str, Outcome] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._node = ""

    async def run(self) -> None:
        """Never raises: what goes wrong is an event and a history entry."""
        await self._log("execution_start")
        order = self._order()
        signatures = {node: self._signature(node) for node in order}
        cached = [node for node in order if self._engine.cached(signatures[node]) is not None]
        await self._log("execution_cached", nodes=cached)
        try:
            for self._node in order:
                await self._node_runs(signatures[self._node])
        except Interrupted:
            await self._log("execution_interrupted", everybody=True, **self._place())
            failed = True
        except Exception as error:
            await self._log("execution_error", **self._place(), **_described(error))
            failed = True
        else:
            await self._log("execution_success")
            failed = False
        shown = {node: o.shown for node, o in self._outcomes.items() if o.shown is not None}
        self._engine.record(self._prompt, shown, self._messages, failed)

    async def step(self, done: int, of: int) -> None:
        """See comfyui_nodes.Workbench."""
        await self._engine.pause()
        position = {"value": done, "max": of, "prompt_id": self._prompt.prompt_id}
        await self._progress_state(self._node, done, of, "running")
        await self._tell("progress", position | {"node": self._node})
        key = f"{self._prompt.prompt_id}{done}".encode()
        await self.show(png.picture(PREVIEW_SIDE, PREVIEW_SIDE, key, grid=png.COARSE))

    async def show(self, image: bytes) -> None:
        """See comfyui_nodes.Workbench."""
        metadata = {"node_id": self._node, "prompt_id": self._prompt.prompt_id}
        head = json.dumps(metadata | {"image_type": "image/png"}).encode()
        await self._engine.show(
            struct.pack(">II", PREVIEW_IMAGE, FORMAT_PNG) + image,
            struct.pack(">II", PREVIEW_WITH_METADATA, len(head)) + head + image,
            self._prompt.client_id,
        )

    def save(self, picture: Picture, prefix: str, kind: str) -> dict[str, str]:
        """See comfyui_nodes.Workbench."""
        subfolder, _, stem = prefix.rpartition("/")
        name = f"{stem}_{self._engine.count(prefix):05}_.png"
        text = {"prompt": json.dumps(self._prompt.graph)}
        data = png.picture(picture.width, picture.height, picture.key, text)
        self._engine.store(kind, subfolder, name, data)
        return {"filename": name, "subfolder": subfolder, "type": kind}

    def load(self, filename: str) -> Picture:
        """See comfyui_nodes.Workbench."""
        data = self._engine.files["input", "", filename]
        width, height = png.size(data)
        return Picture(width, height, data)

    async def _node_runs(self, signature: str) -> None:
        node, known = self._node, self._engine.cached(signature)
        has_run = known is None
        if known is not None:
            self._outcomes[node] = known
        else:
            self._engine.last_node = node
            await self._progress_state(node, 0, 1, "running")
            await self._tell_own("executing", {"node": node, "display_node": node})
            inputs = {n: self._value(v) for n, v in self._prompt.graph[node]["inputs"].items()}
            await self._engine.pause()
            known = await self._classes[self._prompt.graph[node]["class_type"]].run(inputs, self)
            self._outcomes[node] = known
            self._engine.remember(signature, known)
        if known.shown is not None:
            shown = {"node": node, "display_node": node, "output": known.shown}
            await self._tell_own("executed", shown)
        if has_run:
            await self._progress_state(node, 1, 1, "finished")

    def _order(self) -> list[str]:
        """Every node upstream of the good outputs, each behind what it needs."""
        order: dict[str, None] = {}

        def visit(node: str) -> None:
            if node not in order:
                for value in self._prompt.graph[node].get("inputs", {}).values():
                    if is_link(value):
                        visit(value[0])
                order[node] = None

        for output in self._prompt.outputs:
            visit(output)
        return list(order)

    def _signature(self, node: str) -> str:
        entry = self._prompt.graph[node]
        inputs = {
            name: [self._signature(value[0]), value[1]] if is_link(value) else value
            for name, value in entry.get("inputs", {}).items()
        }
        return json.dumps([entry["class_type"], inputs], sort_keys=True)

    def _value(self, value: Any) -> Any:
        return self._outcomes[value[0]].outputs[value[1]] if is_link(value) else value

    def _place(self) -> dict[str, Any]:
        kind = self._prompt.graph[self._node]["class_type"]
        return {"node_id": self._node, "node_type": kind, "executed": list(self._outcomes)}

    async def _log(self, event: str, everybody: bool = False, **fields: Any) -> None:
        """Goes into the history; nobody hears of it where the prompt has no client."""
        data = {
            "prompt_id": self._prompt.prompt_id,
            **fields,
            "timestamp": round(time.time() * 1000),
        }
        self._messages.append([event, data])
        if everybody:
            await self._engine.tell(event, data, None)
        elif self._prompt.client_id is not None:
            await self._engine.tell(event, data, self._prompt.client_id)

    async def _tell_own(self, event: str, data: dict[str, Any]) -> None:
        if self._prompt.client_id is not None:
            await self._tell(event, data | {"prompt_id": self._prompt.prompt_id})

    async def _tell(self, event: str, data: dict[str, Any]) -> None:
        await self._engine.tell(event, data, self._prompt.client_id)

    async def _progress_state(self, node: str, value: float, of: float, state: str) -> None:
        self._states[node] = {
            "value": value,
            "max": of,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt.prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        state_of_all = {"prompt_id": self._prompt.prompt_id, "nodes": self._states}
        await self._tell("progress_state", state_of_all)


def _described(error: Exception) -> dict[str, Any]:
    memory = isinstance(error, OutOfMemoryError)
    return {
        "exception_message": str(error),
        "exception_type": "torch.OutOfMemoryError" if memory else type(error).__name__,
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }
