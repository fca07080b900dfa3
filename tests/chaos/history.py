"""What submitters and workers were told, as one list of events; what a call that broke off did is not known."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One thing that somebody learnt: when (monotonic seconds), who, what, of which job or key, and more."""

    at: float
    who: str
    what: str
    about: str
    more: dict[str, Any]


class History:
    """Appended to from many threads.

    submit_begun (about: key), submitted (key; job_id), refused (key; status), given (job; attempt, worker),
    run_over (job; attempt), completed (job; attempt, value), cancelled (job), touched (job: its priority may have
    changed), wrong (answer).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: list[Event] = []

    def note(self, who: str, what: str, about: str, **more: Any) -> None:
        with self._lock:
            self.events.append(Event(time.monotonic(), who, what, about, more))

    def of(self, what: str) -> list[Event]:
        with self._lock:
            return [event for event in self.events if event.what == what]

    def jobs(self) -> list[str]:
        """Acknowledged jobs, in the order of their acknowledgement."""
        return [event.more["job_id"] for event in self.of("submitted")]

    def write(self, path: Path) -> None:
        with self._lock:
            path.write_text("".join(json.dumps(event) + "\n" for event in self.events))
