"""A ComfyUI stand-in, a connector to it, and a hub that only takes artifacts: all over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from empq.connectors.comfyui import ComfyuiConnector, ComfyuiSettings
from empq.sim import comfyui as stand_in
from empq.worker.addresses import HubAddress
from empq.worker.hub_files import HubFiles
from tests.connectors.comfyui_support import CHECKPOINT, ArtifactHub


@pytest.fixture
async def artifacts() -> AsyncIterator[ArtifactHub]:
    hub = ArtifactHub()
    app = web.Application(client_max_size=2**30)
    app.router.add_put("/api/jobs/{id}/artifacts/{name}", hub.put)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield hub
    await runner.cleanup()


@pytest.fixture
async def files(artifacts: ArtifactHub) -> AsyncIterator[HubFiles]:
    made = HubFiles(HubAddress(artifacts.url), "key", "w-1")
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[stand_in.ComfyuiStandIn]:
    options = stand_in.Options(checkpoints=[CHECKPOINT], step_seconds=0.001)
    async with stand_in.running(options=options) as running:
        yield running


@pytest.fixture
async def connector(server: stand_in.ComfyuiStandIn) -> AsyncIterator[ComfyuiConnector]:
    made = ComfyuiConnector(ComfyuiSettings(url=server.url, poll_seconds=0.05))
    await made.start()
    await server.has_listener.wait()
    yield made
    await made.stop()
