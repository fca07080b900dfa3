"""The demo's five unequal workers: what each is, and its worker.toml."""

from __future__ import annotations

from typing import NamedTuple


class Machine(NamedTuple):
    """One worker of the demo."""

    worker_id: str
    about: str
    toml: str


def machines(comfyui_url: str) -> list[Machine]:
    """Four simulated machines that differ, and a real ComfyUI connector in front of `comfyui_url`."""
    return [
        Machine("flux-24gb", "24 GB, Flux and SDXL", _simulated("flux-24gb", FLUX)),
        Machine("sdxl-12gb", "12 GB, SDXL", _simulated("sdxl-12gb", SDXL)),
        Machine("sd15-8gb", "8 GB, SD 1.5", _simulated("sd15-8gb", SD15)),
        Machine("a1111-eu", "A1111 only, in the EU", _simulated("a1111-eu", A1111)),
        Machine("comfyui-real", "a ComfyUI server", COMFYUI.format(url=comfyui_url)),
    ]


def _simulated(worker_id: str, capabilities: str) -> str:
    service = "a1111" if capabilities is A1111 else "comfyui"
    return (
        f'[worker]\nid = "{worker_id}"\nslots = 1\n\n[worker.capabilities]\n{capabilities}\n'
        f'[[connector]]\nkind = "simulation"\nservice = "{service}"\n'
    )


FLUX = """\
services = [{ name = "comfyui", models = ["flux1-dev", "flux1-schnell", "sdxl-base"] }]
components = ["text-to-image-flux", "text-to-image-xl", "upscale"]
hardware = { gpu_memory_gb = 24, gpu_model = "rtx-4090" }
location = { region = "us-east" }
cost = { tier = "premium" }
"""

SDXL = """\
services = [{ name = "comfyui", models = ["sdxl-base"] }]
components = ["text-to-image-xl", "upscale"]
hardware = { gpu_memory_gb = 12, gpu_model = "rtx-3060" }
location = { region = "us-west" }
"""

SD15 = """\
services = [{ name = "comfyui", models = ["sd15"] }]
components = ["text-to-image", "upscale"]
hardware = { gpu_memory_gb = 8, gpu_model = "rtx-3070" }
location = { region = "us-west" }
cost = { tier = "economy" }
"""

A1111 = """\
services = [{ name = "a1111", models = ["sd15"] }]
hardware = { gpu_memory_gb = 10, gpu_model = "rtx-3080" }
location = { region = "eu-west", compliance = ["gdpr"] }
"""

COMFYUI = """\
[worker]
id = "comfyui-real"
slots = 1

[worker.capabilities]
components = ["workflow-graph"]
hardware = {{ gpu_memory_gb = 16, gpu_model = "rtx-4080" }}
location = {{ region = "eu-central" }}

[[connector]]
kind = "comfyui"
url = "{url}"
"""
