"""The demo's jobs: six kinds for three customers, and one that no worker can take."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, NamedTuple

CUSTOMERS = ("acme", "birch", "cobalt")
PRIORITIES = (50, 50, 80, 50, 20)
PROMPTS = (
    "a lighthouse in a storm, oil on canvas",
    "a street market at dusk, 35 mm",
    "a fox asleep in the snow",
    "an observatory on a cliff, blueprint",
    "two chairs under a plum tree",
)


class Kind(NamedTuple):
    """Jobs that need the same; `steps` of `step_ms` each where they are simulated."""

    name: str
    amount: int
    type: str
    steps: int
    step_ms: int
    requirements: dict[str, Any]


KINDS = (
    Kind(
        *("Flux picture", 8, "text_to_image", 12, 140),
        {
            "service_type": "comfyui",
            "component": "text-to-image-flux",
            "models": ["flux1-dev"],
            "hardware": {"gpu_memory_gb": 20},
        },
    ),
    Kind(
        *("SDXL picture", 13, "text_to_image", 10, 140),
        {
            "service_type": "comfyui",
            "component": "text-to-image-xl",
            "models": ["sdxl-base"],
            "hardware": {"gpu_memory_gb": 10},
        },
    ),
    Kind(
        *("SD 1.5 picture", 13, "text_to_image", 8, 140),
        {"service_type": "comfyui", "component": "text-to-image", "models": ["sd15"]},
    ),
    Kind(
        *("portrait, EU only", 12, "portrait", 9, 140),
        {"service_type": "a1111", "geographic_region": "eu", "compliance": ["gdpr"]},
    ),
    Kind(
        *("upscale", 7, "upscale", 4, 140),
        {"service_type": "comfyui", "component": "upscale", "hardware": {"gpu_memory_gb": 6}},
    ),
)
GRAPH_KIND, GRAPH_COUNT = "ComfyUI graph", 6
FIRST_KIND, IMPOSSIBLE_KIND = "SDXL, priority 75", "needs 80 GB"
FIRST_JOB: dict[str, Any] = {
    "type": "text_to_image",
    "priority": 75,
    "payload": {"prompt": "...", "steps": 20},
    "requirements": {
        "service_type": "comfyui",
        "component": "text-to-image-xl",
        "hardware": {"gpu_memory_gb": 8},
    },
}


def job_bodies() -> list[tuple[str, dict[str, Any]]]:
    """(kind, body of POST /api/jobs) of every job that some worker can take, well mixed."""
    lines = [
        [(kind.name, _simulated(kind, number)) for number in range(kind.amount)] for kind in KINDS
    ]
    lines.append([(GRAPH_KIND, _graph_job(number)) for number in range(GRAPH_COUNT)])
    mixed = [job for round_ in zip_longest(*lines) for job in round_ if job is not None]
    for number, (_, body) in enumerate(mixed):
        body["customer_id"] = CUSTOMERS[number % len(CUSTOMERS)]
        body["priority"] = PRIORITIES[number % len(PRIORITIES)]
    return [(FIRST_KIND, dict(FIRST_JOB)), *mixed]


def impossible_body() -> dict[str, Any]:
    """A job that asks for more than any of the machines has."""
    needs = {
        "service_type": "comfyui",
        "component": "text-to-image-flux",
        "models": ["flux1-dev"],
        "hardware": {"gpu_memory_gb": 80},
    }
    return {"type": "text_to_image", "customer_id": "acme", "payload": {}, "requirements": needs}


def _simulated(kind: Kind, number: int) -> dict[str, Any]:
    return {
        "type": kind.type,
        "payload": {
            "prompt": PROMPTS[number % len(PROMPTS)],
            "steps": kind.steps,
            "step_ms": kind.step_ms,
        },
        "requirements": kind.requirements,
    }


def _graph_job(number: int) -> dict[str, Any]:
    return {
        "type": "comfyui_graph",
        "payload": {"prompt": txt2img_graph(PROMPTS[number % len(PROMPTS)], seed=1000 + number)},
        "requirements": {"service_type": "comfyui", "component": "workflow-graph"},
    }


def txt2img_graph(prompt: str, seed: int) -> dict[str, Any]:
    """ComfyUI's own text-to-image example in its API format."""
    return {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": seed,
                "steps": 12,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"},
        },
        "5": {
            "class_type": "EmptyLatentImage",
            "inputs": {"width": 512, "height": 512, "batch_size": 1},
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"filename_prefix": "empq-demo", "images": ["8", 0]},
        },
    }
