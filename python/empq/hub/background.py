"""Runs a role again and again: loop, jitter, back-off and log line are written here once."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from empq.errors import EmpqError

logger = logging.getLogger(__name__)

JITTER = 0.1


class BackgroundService:
    """Calls `run_once` every `seconds`, at once again while it says that there is more to do.

    `run_once` returns how much it did; `nudge` asks for a pass now; `passed` waits for the next whole pass.
    """

    def __init__(
        self, name: str, seconds: float, run_once: Callable[[], Awaitable[int]], full: int
    ) -> None:
        self.name, self._seconds, self._run_once, self._full = name, seconds, run_once, full
        self._nudged = asyncio.Event()
        self._waiting: list[asyncio.Future[int]] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            started = list(self._waiting)
            try:
                done = await self._run_once()
            except EmpqError as error:
                logger.debug("%s: %s", self.name, error)
                done = 0
            except Exception:  # a role must not end by a fault of one pass
                logger.exception("%s failed", self.name)
                done = 0
            if done:
                logger.debug("%s count=%d", self.name, done)
            for future in started:
                self._waiting.remove(future)
                if not future.done():
                    future.set_result(done)
            if done < self._full:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._seconds * (1 - JITTER * random.random())):
                await self._nudged.wait()
        except TimeoutError:
            return
        finally:
            self._nudged.clear()

    def nudge(self) -> None:
        """A pass as soon as possible."""
        self._nudged.set()

    async def passed(self) -> int:
        """What the next pass that begins after this call did."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.nudge()
        return await future
