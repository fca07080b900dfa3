"""The node classes of the ComfyUI stand-in: what /object_info says of them, and what they do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from empq.sim import png

SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_sde", "ddim", "uni_pc"]
SCHEDULERS = ["normal", "karras", "exponential", "simple", "sgm_uniform"]
LARGEST_SIDE = 16_384
LARGEST_SEED = 0xFFFFFFFFFFFFFFFF
#: Beyond this many pixels a batch the pretended GPU is full.
PIXELS_IN_MEMORY = 8_388_608

Values = dict[str, Any]


class Picture(NamedTuple):
    """An image or a latent: its size, and the key that its bytes are made from."""

    width: int
    height: int
    key: bytes


class OutOfMemoryError(Exception):
    """Shown as torch.OutOfMemoryError."""


class Workbench(Protocol):
    """What a node may do beside computing."""

    async def step(self, done: int, of: int) -> None:
        """One step of a sampler: takes time, shows progress, notices an interrupt."""
        ...

    def save(self, picture: Picture, prefix: str, kind: str) -> dict[str, str]:
        """Stores a PNG; the result is its name, sub-folder and type."""
        ...

    async def show(self, image: bytes) -> None:
        """Sends a PNG to the prompt's client as a binary frame."""
        ...

    def load(self, filename: str) -> Picture:
        """An uploaded picture."""
        ...


class Outcome(NamedTuple):
    """A node's outputs, and what its output node shows."""

    outputs: tuple[Any, ...] = ()
    shown: dict[str, Any] | None = None


class NodeClass(NamedTuple):
    """One class of nodes."""

    required: dict[str, list[Any]]
    outputs: tuple[str, ...]
    run: Callable[[Values, Workbench], Awaitable[Outcome]]
    is_output: bool = False
    category: str = "simulated"


class Models(NamedTuple):
    """The model files that the stand-in claims to have."""

    checkpoints: list[str]
    loras: list[str]
    unets: list[str]


def digest(*parts: Any) -> bytes:
    """The key of a picture that depends on these values."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).digest()


async def _load_model(values: Values, _: Workbench) -> Outcome:
    name = values.get("ckpt_name") or values["unet_name"]
    return Outcome((name, name, name))


async def _load_lora(values: Values, _: Workbench) -> Outcome:
    lora = [values["lora_name"], values["strength_model"], values["strength_clip"]]
    return Outcome(([values["model"], *lora], [values["clip"], *lora]))


async def _encode_text(values: Values, _: Workbench) -> Outcome:
    return Outcome(([values["text"], values["clip"]],))


async def _empty_latent(values: Values, _: Workbench) -> Outcome:
    width, height, batch = values["width"], values["height"], values["batch_size"]
    if width * height * batch > PIXELS_IN_MEMORY:
        raise OutOfMemoryError(
            "Allocation on device 0 would exceed allowed memory. (out of memory)"
        )
    return Outcome(([Picture(width, height, digest("latent", n)) for n in range(batch)],))


async def _empty_image(values: Values, workbench: Workbench) -> Outcome:
    outcome = await _empty_latent(values, workbench)
    key = digest("colour", values["color"])
    return Outcome(([picture._replace(key=key) for picture in outcome.outputs[0]],))


async def _sample(values: Values, workbench: Workbench) -> Outcome:
    steps = values["steps"]
    for done in range(1, steps + 1):
        await workbench.step(done, steps)
    others = {name: value for name, value in values.items() if name != "latent_image"}
    return Outcome(
        (
            [
                p._replace(key=digest(sorted(others.items()), p.key.hex()))
                for p in values["latent_image"]
            ],
        )
    )


async def _decode(values: Values, _: Workbench) -> Outcome:
    return Outcome((values["samples"],))


async def _invert(values: Values, _: Workbench) -> Outcome:
    return Outcome(([p._replace(key=digest("invert", p.key.hex())) for p in values["image"]],))


async def _load_image(values: Values, workbench: Workbench) -> Outcome:
    return Outcome(([workbench.load(values["image"])],))


async def _save(values: Values, workbench: Workbench) -> Outcome:
    prefix = values["filename_prefix"]
    if ".." in prefix:
        raise ValueError(
            f"**** ERROR: Saving image outside the output folder is not allowed: {prefix}"
        )
    images = [workbench.save(picture, prefix, "output") for picture in values["images"]]
    return Outcome((), {"images": images})


async def _send(values: Values, workbench: Workbench) -> Outcome:
    for picture in values["images"]:
        await workbench.show(png.picture(*picture))
    return Outcome()


async def _preview(values: Values, workbench: Workbench) -> Outcome:
    images = [workbench.save(picture, "ComfyUI_temp", "temp") for picture in values["images"]]
    return Outcome((), {"images": images})


def _integer(default: int, low: int, high: int) -> list[Any]:
    return ["INT", {"default": default, "min": low, "max": high}]


def _number(default: float, low: float, high: float) -> list[Any]:
    return ["FLOAT", {"default": default, "min": low, "max": high}]


def classes(models: Models, uploads: list[str]) -> dict[str, NodeClass]:
    """All node classes, with the model lists as they are now."""
    size = {
        "width": _integer(512, 16, LARGEST_SIDE),
        "height": _integer(512, 16, LARGEST_SIDE),
        "batch_size": _integer(1, 1, 4096),
    }
    sampler: dict[str, list[Any]] = {
        "model": ["MODEL"],
        "seed": _integer(0, 0, LARGEST_SEED),
        "steps": _integer(20, 1, 10_000),
        "cfg": _number(8.0, 0.0, 100.0),
        "sampler_name": [SAMPLERS],
        "scheduler": [SCHEDULERS],
        "positive": ["CONDITIONING"],
        "negative": ["CONDITIONING"],
        "latent_image": ["LATENT"],
        "denoise": _number(1.0, 0.0, 1.0),
    }
    lora: dict[str, list[Any]] = {
        "model": ["MODEL"],
        "clip": ["CLIP"],
        "lora_name": [models.loras],
        "strength_model": _number(1.0, -100.0, 100.0),
        "strength_clip": _number(1.0, -100.0, 100.0),
    }
    text: dict[str, list[Any]] = {"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}
    prefix: list[Any] = ["STRING", {"default": "ComfyUI"}]
    colour = {"color": _integer(0, 0, 0xFFFFFF)}
    return {
        "CheckpointLoaderSimple": NodeClass(
            {"ckpt_name": [models.checkpoints]}, ("MODEL", "CLIP", "VAE"), _load_model
        ),
        "UNETLoader": NodeClass({"unet_name": [models.unets]}, ("MODEL",), _load_model),
        "LoraLoader": NodeClass(lora, ("MODEL", "CLIP"), _load_lora),
        "CLIPTextEncode": NodeClass(text, ("CONDITIONING",), _encode_text),
        "EmptyLatentImage": NodeClass(size, ("LATENT",), _empty_latent),
        "EmptyImage": NodeClass(size | colour, ("IMAGE",), _empty_image),
        "KSampler": NodeClass(sampler, ("LATENT",), _sample),
        "VAEDecode": NodeClass({"samples": ["LATENT"], "vae": ["VAE"]}, ("IMAGE",), _decode),
        "ImageInvert": NodeClass({"image": ["IMAGE"]}, ("IMAGE",), _invert),
        "LoadImage": NodeClass({"image": [uploads]}, ("IMAGE", "MASK"), _load_image),
        "SaveImage": NodeClass(
            {"images": ["IMAGE"], "filename_prefix": prefix}, (), _save, is_output=True
        ),
        "SaveImageWebsocket": NodeClass({"images": ["IMAGE"]}, (), _send, is_output=True),
        "PreviewImage": NodeClass({"images": ["IMAGE"]}, (), _preview, is_output=True),
    }


def object_info(name: str, node: NodeClass) -> dict[str, Any]:
    """One entry of /object_info."""
    return {
        "input": {"required": node.required},
        "input_order": {"required": list(node.required)},
        "output": list(node.outputs),
        "output_is_list": [False] * len(node.outputs),
        "output_name": list(node.outputs),
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": "nodes",
        "category": node.category,
        "output_node": node.is_output,
    }
