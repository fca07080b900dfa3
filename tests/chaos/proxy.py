"""A proxy between a hub and Redis that can delay, cut, fall silent one way or both, or lose the replies of what was done."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Mode = Literal["clear", "delay", "silent", "no_requests", "no_replies"]
CHUNK, DELAY_SECONDS = 65536, 0.15


class FaultProxy:
    """Listens on a unix socket and forwards to another; faults are set from any thread."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path, self._target = path, target
        self._mode: Mode = "clear"
        self._links: set[asyncio.StreamWriter] = set()
        self._clear = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> FaultProxy:
        self._thread.start()
        self._run(self._listen())
        return self

    def stop(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, mode: Mode) -> None:
        """From now on; bytes that a silent proxy holds back travel when it is clear again."""
        self._run(self._set(mode))

    def cut(self) -> None:
        """Ends all connections at once; new ones are taken."""
        self._run(self._cut())

    def lose_replies(self, during: Callable[[], None]) -> None:
        """What is asked meanwhile is done and not answered: then the connections break."""
        self.set("no_replies")
        during()
        self.cut()
        self.set("clear")

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._clear.set()
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def _end(self) -> None:
        self._server.close()
        self._clear.set()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=5) if others else None

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        if mode == "clear":
            self._clear.set()
        else:
            self._clear.clear()

    async def _cut(self) -> None:
        for link in list(self._links):
            link.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.transport.abort()
            return
        self._links |= {writer, there_writer}
        try:
            await asyncio.gather(
                self._pump(reader, there_writer, is_request=True),
                self._pump(there_reader, writer, is_request=False),
            )
        finally:
            self._links -= {writer, there_writer}
            for link in (writer, there_writer):
                link.close()
                with contextlib.suppress(OSError):
                    await link.wait_closed()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self._mode == "no_replies" and not is_request:
                    continue  # done there, and nobody will hear of it
                if self._mode == "delay":
                    await asyncio.sleep(DELAY_SECONDS)
                elif self._mode == "silent" or (self._mode == "no_requests" and is_request):
                    await self._clear.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
