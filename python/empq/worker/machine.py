"""Facts about the machine: what it has (once) and how busy it is (with every heartbeat)."""

from __future__ import annotations

import asyncio
import os
import shutil

import psutil

GIB = 1024**3
QUERY_SECONDS = 5.0


async def hardware() -> dict[str, float | str]:
    """`hardware` of the capabilities; what cannot be found out is left out."""
    facts: dict[str, float | str] = {
        "cpu_cores": os.cpu_count() or 1,
        "ram_gb": round(psutil.virtual_memory().total / GIB, 1),
    }
    facts.update(await _nvidia())
    return facts


def load() -> dict[str, float]:
    """`system_info` of a heartbeat; the first call's cpu_percent is 0, later ones cover the time between."""
    return {
        "cpu_percent": psutil.cpu_percent(None),
        "memory_percent": psutil.virtual_memory().percent,
    }


async def _nvidia() -> dict[str, float | str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--query-gpu=name,memory.total",
            "--format=csv,noheader,nounits",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return {}
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        return {}
    return gpus(output.decode(errors="replace"))


def gpus(listing: str) -> dict[str, float | str]:
    """From nvidia-smi's lines "name, MiB": the model and memory of the first, and how many there are."""
    rows: list[tuple[str, float]] = []
    for line in listing.splitlines():
        name, _, memory = line.rpartition(",")
        try:
            rows.append((name.strip(), float(memory)))
        except ValueError:
            continue
    if not rows:
        return {}
    name, memory = rows[0]
    return {"gpu_model": name, "gpu_memory_gb": round(memory / 1024, 1), "gpu_count": len(rows)}
