"""What the tests of connectors share: a hub that only takes artifacts, a report that remembers, graphs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from empq.connectors.base import Preview, Source
from empq.worker.hub_files import HubFiles
from empq.worker.wire import Assignment

CHECKPOINT = "sd_xl_base_1.0.safetensors"


class ArtifactHub:
    """Keeps what is PUT as an artifact, and how it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.artifacts: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.queries: list[dict[str, str]] = []
        self.answers: list[int] = []

    async def put(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.queries.append(dict(request.query))
        status = self.answers.pop(0) if self.answers else 201
        if status == 201:
            self.artifacts[request.match_info["name"]] = body
            self.types[request.match_info["name"]] = request.content_type
        return web.json_response({"name": request.match_info["name"]}, status=status)


class Recorder:
    """A report: remembers progress, uploads for real."""

    def __init__(self, files: HubFiles, job: Assignment) -> None:
        self._files = files
        self._job = job
        self.progress: list[float] = []
        self.steps: list[str] = []
        self.previews: list[Preview] = []
        self.seen = asyncio.Event()

    def __call__(
        self,
        progress: float | None = None,
        message: str | None = None,
        current_step: str | None = None,
        preview: Preview | None = None,
    ) -> None:
        if progress is not None:
            self.progress.append(progress)
        if current_step:
            self.steps.append(f"{message} {current_step}")
            self.seen.set()
        if preview is not None:
            self.previews.append(preview)

    async def upload(self, name: str, source: Source, content_type: str) -> None:
        await self._files.upload(self._job, name, source, content_type)


def make_job(graph: Any, job_id: str = "j-1", attempt: int = 1, **more: Any) -> Assignment:
    """An assignment of a graph."""
    payload = msgspec.Raw(msgspec.json.encode({"prompt": graph, **more}))
    return Assignment(job_id=job_id, attempt=attempt, lease="L", payload=payload)


def text_to_image(
    seed: int = 7, steps: int = 4, checkpoint: str = CHECKPOINT, side: int = 64
) -> dict[str, Any]:
    """The usual graph, in API format."""
    sampler = {"seed": seed, "steps": steps, "cfg": 7.5, "sampler_name": "euler"}
    sampler |= {"scheduler": "normal", "denoise": 1.0, "model": ["4", 0]}
    sampler |= {"positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    return {
        "3": {"class_type": "KSampler", "inputs": sampler, "_meta": {"title": "Sampler"}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "5": {
            "class_type": "EmptyLatentImage",
            "inputs": {"width": side, "height": side, "batch_size": 1},
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "ugly", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"filename_prefix": "cat", "images": ["8", 0]},
        },
    }
