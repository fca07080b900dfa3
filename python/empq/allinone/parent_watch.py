"""A child's watch on its parent: an inherited pipe that ends when the parent does, however it was killed."""

from __future__ import annotations

import os
import signal
import threading

END_SECONDS = 13.0


def watch_parent(descriptor: int) -> None:
    """Ends this process as SIGTERM does when the pipe's other end is closed; by force where that takes too long."""
    threading.Thread(target=_wait, args=(descriptor,), name="parent-watch", daemon=True).start()


def _wait(descriptor: int) -> None:
    while os.read(descriptor, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(END_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
