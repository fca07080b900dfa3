"""`empq sim comfyui`: a server that speaks like ComfyUI 0.3 and makes real PNG files without a GPU."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

from empq.sim.comfyui_engine import Engine, Prompt
from empq.sim.comfyui_nodes import Models, object_info
from empq.sim.comfyui_validation import validate

DEFAULT_PORT = 8188
DEFAULT_CHECKPOINTS = ("sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly.safetensors")
GIB = 1024**3


class Options(NamedTuple):
    """What the stand-in pretends to be."""

    checkpoints: Sequence[str] = DEFAULT_CHECKPOINTS
    loras: Sequence[str] = ()
    unets: Sequence[str] = ()
    step_seconds: float = 0.05
    gpu_memory_gb: float = 24.0


class _Socket(NamedTuple):
    socket: web.WebSocketResponse
    flags: dict[str, Any]


class ComfyuiStandIn:
    """Routes and sockets; the work is the engine's."""

    def __init__(self, options: Options) -> None:
        self.url = ""
        self.has_listener = asyncio.Event()
        self._options = options
        self._sockets: dict[str, _Socket] = {}
        self._numbers = itertools.count()
        models = Models(list(options.checkpoints), list(options.loras), list(options.unets))
        self.engine = Engine(self, models, options.step_seconds)

    def application(self) -> web.Application:
        """Every route, plain and below /api, as the real server has them."""
        app = web.Application(client_max_size=512 * 1024 * 1024)
        routes: list[tuple[str, str, Any]] = [
            ("GET", "/ws", self._open_socket),
            ("POST", "/prompt", self._post_prompt),
            ("GET", "/prompt", self._exec_info),
            ("GET", "/queue", self._queue),
            ("POST", "/queue", self._change_queue),
            ("GET", "/history", self._history),
            ("GET", "/history/{id}", self._history),
            ("POST", "/history", self._change_history),
            ("GET", "/view", self._view),
            ("POST", "/upload/image", self._upload),
            ("POST", "/interrupt", self._interrupt),
            ("POST", "/free", self._free),
            ("GET", "/system_stats", self._system_stats),
            ("GET", "/object_info", self._object_info),
            ("GET", "/object_info/{name}", self._object_info),
            ("GET", "/models", self._models),
            ("GET", "/models/{folder}", self._models),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
            app.router.add_route(method, f"/api{path}", handler)
        app.cleanup_ctx.append(self._engine_runs)
        return app

    async def tell(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """See comfyui_engine.Audience."""
        text = json.dumps({"type": event, "data": data})
        for socket in self._audience(client_id):
            with contextlib.suppress(ConnectionError):
                await socket.socket.send_str(text)

    async def show(self, plain: bytes, described: bytes, client_id: str | None) -> None:
        """See comfyui_engine.Audience."""
        for socket in self._audience(client_id):
            with_metadata = socket.flags.get("supports_preview_metadata")
            with contextlib.suppress(ConnectionError):
                await socket.socket.send_bytes(described if with_metadata else plain)

    def _audience(self, client_id: str | None) -> list[_Socket]:
        if client_id is None:
            return list(self._sockets.values())
        return [self._sockets[client_id]] if client_id in self._sockets else []

    async def _engine_runs(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.engine.run())
        yield
        task.cancel()
        for entry in list(self._sockets.values()):
            await entry.socket.close()

    async def _open_socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        # A socket with the same id goes quiet: it is not closed.
        entry = self._sockets[sid] = _Socket(socket, {})
        status: dict[str, Any] = {"exec_info": {"queue_remaining": self.engine.remaining}}
        hello = {"type": "status", "data": {"status": status, "sid": sid}}
        await socket.send_json(hello)
        self.has_listener.set()
        running = self.engine.running
        if running is not None and running.client_id == sid and self.engine.last_node:
            resent = {"node": self.engine.last_node}
            await socket.send_json({"type": "executing", "data": resent})
        first = True
        async for message in socket:
            if first and message.type == WSMsgType.TEXT:
                await self._negotiate(entry, message.data)
            first = False
        if self._sockets.get(sid) is entry:
            del self._sockets[sid]
        return socket

    async def _negotiate(self, entry: _Socket, text: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            message = json.loads(text)
            if message.get("type") == "feature_flags":
                entry.flags.update(message.get("data", {}))
                flags = {"supports_preview_metadata": True, "max_upload_size": 512 * 1024 * 1024}
                await entry.socket.send_json({"type": "feature_flags", "data": flags})

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        if "prompt" not in body:
            error = {"type": "no_prompt", "message": "No prompt provided"}
            error |= {"details": "No prompt provided", "extra_info": {}}
            return web.json_response({"error": error, "node_errors": {}}, status=400)
        verdict = validate(body["prompt"], self.engine.classes())
        if verdict.error is not None:
            refusal = {"error": verdict.error, "node_errors": verdict.node_errors}
            return web.json_response(refusal, status=400)
        number = float(body["number"]) if "number" in body else next(self._numbers)
        if body.get("front"):
            number = -number
        extra: dict[str, Any] = dict(body.get("extra_data") or {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        prompt_id = str(body.get("prompt_id") or uuid.uuid4())
        prompt = Prompt(number, prompt_id, body["prompt"], extra, verdict.good_outputs)
        await self.engine.enqueue(prompt)
        answer = {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}
        return web.json_response(answer)

    async def _exec_info(self, _: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self.engine.remaining}})

    async def _queue(self, _: web.Request) -> web.Response:
        running = [] if self.engine.running is None else [list(self.engine.running)]
        pending = [list(prompt) for prompt in sorted(self.engine.pending, key=lambda p: p.number)]
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _change_queue(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        if body.get("clear"):
            await self.engine.delete(None)
        if "delete" in body:
            await self.engine.delete(body["delete"])
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("id")
        if wanted is not None:
            known = self.engine.history.get(wanted)
            return web.json_response({} if known is None else {wanted: known})
        entries = list(self.engine.history.items())
        if "max_items" in request.query:
            entries = entries[-int(request.query["max_items"]) :]
        return web.json_response(dict(entries))

    async def _change_history(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        if body.get("clear"):
            self.engine.history.clear()
        for prompt_id in body.get("delete", []):
            self.engine.history.pop(prompt_id, None)
        return web.Response()

    async def _view(self, request: web.Request) -> web.Response:
        query = request.query
        key = (query.get("type", "output"), query.get("subfolder", ""), query.get("filename", ""))
        data = self.engine.files.get(key)
        if data is None:
            return web.Response(status=404)
        disposition = {"Content-Disposition": f'filename="{key[2]}"'}
        return web.Response(body=data, content_type="image/png", headers=disposition)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image = form.get("image")
        if not isinstance(image, web.FileField):
            return web.Response(status=400)
        data, subfolder = image.file.read(), str(form.get("subfolder", ""))
        name = image.filename
        if str(form.get("overwrite", "")).lower() not in ("true", "1"):
            stem, dot, suffix = image.filename.rpartition(".")
            for count in itertools.count(1):
                present = self.engine.files.get(("input", subfolder, name))
                if present is None or present == data:
                    break
                name = f"{stem} ({count}){dot}{suffix}"
        self.engine.store("input", subfolder, name, data)
        return web.json_response({"name": name, "subfolder": subfolder, "type": "input"})

    async def _interrupt(self, request: web.Request) -> web.Response:
        text = await request.text()
        body: dict[str, Any] = json.loads(text) if text else {}
        self.engine.interrupt(body.get("prompt_id"))
        return web.Response()

    async def _free(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _system_stats(self, _: web.Request) -> web.Response:
        total = int(self._options.gpu_memory_gb * GIB)
        memory = {"vram_total": total, "vram_free": total // 2}
        memory |= {"torch_vram_total": 0, "torch_vram_free": 0}
        device = {"name": "cuda:0 Simulated GPU", "type": "cuda", "index": 0, **memory}
        system = {"os": sys.platform, "ram_total": 64 * GIB, "ram_free": 32 * GIB}
        system |= {"comfyui_version": "0.3.64", "python_version": sys.version, "argv": ["main.py"]}
        return web.json_response({"system": system, "devices": [device]})

    async def _object_info(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        known = {n: object_info(n, c) for n, c in self.engine.classes().items()}
        if name is not None:
            known = {name: known[name]} if name in known else {}
        return web.json_response(known)

    async def _models(self, request: web.Request) -> web.Response:
        models = self.engine.models
        folders = {
            "checkpoints": models.checkpoints,
            "loras": models.loras,
            "diffusion_models": models.unets,
        }
        folder = request.match_info.get("folder")
        if folder is None:
            return web.json_response(list(folders))
        if folder not in folders:
            return web.Response(status=404)
        return web.json_response(folders[folder])


@contextlib.asynccontextmanager
async def running(
    host: str = "127.0.0.1", port: int = 0, options: Options | None = None
) -> AsyncGenerator[ComfyuiStandIn]:
    """The server for the time of a block. Port 0: any free one."""
    stand_in = ComfyuiStandIn(options or Options())
    runner = web.AppRunner(stand_in.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        stand_in.url = f"http://{host}:{runner.addresses[0][1]}"
        yield stand_in
    finally:
        await runner.cleanup()


async def serve(host: str, port: int, options: Options | None = None) -> None:
    """Until it is cancelled; says where it listens."""
    async with running(host, port, options) as stand_in:
        print(f"a ComfyUI stand-in listens on {stand_in.url}", flush=True)
        await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> int:
    """`empq sim comfyui`."""
    parser = argparse.ArgumentParser(
        prog="empq sim comfyui",
        description="Speaks like a ComfyUI server and makes real PNG files without a GPU.",
        epilog="example: empq sim comfyui --port 8188, then: empq-worker --comfyui http://127.0.0.1:8188",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--step-ms", type=float, default=50.0, help="the time of one sampler step")
    parser.add_argument("--gpu-memory-gb", type=float, default=24.0)
    parser.add_argument(
        "--checkpoint", action="append", metavar="NAME", help="a checkpoint that it has; repeatable"
    )
    parser.add_argument("--lora", action="append", default=[], metavar="NAME")
    parser.add_argument("--unet", action="append", default=[], metavar="NAME")
    told = parser.parse_args(argv)
    options = Options(
        checkpoints=told.checkpoint or DEFAULT_CHECKPOINTS,
        loras=told.lora,
        unets=told.unet,
        step_seconds=told.step_ms / 1000,
        gpu_memory_gb=told.gpu_memory_gb,
    )
    try:
        asyncio.run(serve(told.host, told.port, options))
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        print(f"empq sim comfyui: {told.host}:{told.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
