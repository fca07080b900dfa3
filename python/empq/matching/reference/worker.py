"""A worker as the index knows it: its document, its load, and what the last entry says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from empq.matching.reference.documents import Capabilities


class Held(NamedTuple):
    """One job that a worker holds. `service` is "" for a job that asks for none."""

    customer: str
    service: str
    strict: bool


@dataclass(slots=True)
class Worker:
    """Documents and entries come independently of each other; `number` is 0 before the first entry."""

    worker_id: str
    version: int = 0
    capabilities: Capabilities | None = None
    busiest_percent: int = 0
    number: int = 0
    named_version: int = 0
    state: str = "offline"
    idle_since_ms: int = 0
    held: tuple[Held, ...] = ()

    def leave_log(self) -> None:
        """Forgets what entries said."""
        self.number, self.named_version, self.state = 0, 0, "offline"
        self.idle_since_ms, self.held = 0, ()

    @property
    def is_offline(self) -> bool:
        return self.state == "offline"

    @property
    def is_stale(self) -> bool:
        return self.capabilities is None or self.version < self.named_version


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker that takes part: not offline, its capabilities known."""

    worker_id: str
    capabilities: Capabilities
    worker: Worker

    @property
    def held(self) -> tuple[Held, ...]:
        return self.worker.held
