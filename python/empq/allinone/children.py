"""Child processes of `empq up` and of the demo: started with a watch on their parent, restarted, stopped in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path

LOG_BYTES_KEPT = 8 << 20
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
STEADY_SECONDS = 30.0

Say = Callable[[str], None]


class Family:
    """What all children share: the pipe that ends with their parent, the folder's lock, the environment."""

    def __init__(self, logs: Path, environment: Mapping[str, str], lock: int | None = None) -> None:
        self.logs = logs
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self.hurry = asyncio.Event()
        self._lock = () if lock is None else (lock,)
        self._watched, self._held = os.pipe()
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def child(self, name: str, *arguments: str) -> Child:
        """A child that will run `python -m empq` with the arguments."""
        return Child(self, name, arguments)

    async def spawn(self, name: str, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        """Starts `python -m empq …`, its output in the log file of that name."""
        with _opened_log(self.logs / f"{name}.log") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "empq", *arguments, "--parent-fd", str(self._watched)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self.environment,
                pass_fds=(self._watched, *self._lock),
                # Ctrl-C in the terminal is for the parent, who stops its children in order.
                start_new_session=True,
            )

    async def stop(self, children: Iterable[Child], seconds: float) -> None:
        """Asks all to end and waits; kills those that take longer, or all when told to hurry."""
        started = [child for child in children if child.process is not None]
        for child in started:
            child.ask_to_end()
        waits = asyncio.gather(*(child.ended() for child in started))
        hurry = asyncio.ensure_future(self.hurry.wait())
        await asyncio.wait((waits, hurry), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for child in started:
            child.kill()
        await waits

    def close(self) -> None:
        """Closes the pipe; children that still run end now."""
        os.close(self._watched)
        os.close(self._held)


class Child:
    """One child process and its name."""

    def __init__(self, family: Family, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self._family = family
        self._arguments = arguments
        self._stopping = False

    @property
    def log(self) -> Path:
        """The file with all that it printed."""
        return self._family.logs / f"{self.name}.log"

    async def start(self) -> None:
        """Starts the process; one that is under way when this is cancelled is kept, so that it will be stopped."""
        spawning = asyncio.ensure_future(self._family.spawn(self.name, self._arguments))
        try:
            await asyncio.shield(spawning)
        finally:
            self.process = await spawning

    async def keep(self, say: Say) -> None:
        """Starts the process again whenever it ends by itself, with growing pauses; returns once it is to stop."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            steady = asyncio.get_running_loop().time() + STEADY_SECONDS
            code = await self.ended()
            if self._stopping:
                return
            if asyncio.get_running_loop().time() > steady:
                pause = FIRST_PAUSE_SECONDS
            say(
                f"{self.name} ended unexpectedly ({_how(code)}): {self.last_words()}; "
                f"starting it again in {pause:g} s"
            )
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            if self._stopping:
                return
            await self.start()

    async def ended(self) -> int:
        """Waits for its end; the exit code, negative for a signal."""
        return 0 if self.process is None else await self.process.wait()

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return next(
            (line.strip() for line in reversed(lines) if line.strip()), "it printed nothing"
        )

    def ask_to_end(self) -> None:
        """SIGTERM; it is not started again."""
        self._stopping = True
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to it and to what it started."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)


async def first_of(seconds: float, *waits: Awaitable[object]) -> int | None:
    """Which of the awaited came first (its index), None when none did in time; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    return next((index for index, task in enumerate(tasks) if task in done), None)


def _opened_log(path: Path) -> BufferedWriter:
    if path.exists() and path.stat().st_size > LOG_BYTES_KEPT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
