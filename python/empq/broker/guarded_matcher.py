"""A matcher that may fail: a fault of its own (a panic in Rust) costs the call, never the hub.

What it holds then is worth nothing: a new one takes its place, empty, and the index is read anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from empq.errors import NotReady
from empq.matching.interface import Applied, IndexFigures, Matcher, Proposal, Verdict

logger = logging.getLogger(__name__)

T = TypeVar("T")


class GuardedMatcher:
    """Has the methods of `Matcher`. They raise NotReady where the matcher failed, ValueError for bad input as before."""

    def __init__(self, make: Callable[[], Matcher]) -> None:
        self._make, self._matcher = make, make()
        self._policy: tuple[str, str, Sequence[int]] | None = None
        self.failures = 0
        #: a new matcher, which knows nothing, is in place
        self.on_replaced: Callable[[], None] = lambda: None

    def _call(self, ask: Callable[[Matcher], T]) -> T:
        try:
            return ask(self._matcher)
        except ValueError:
            raise
        except Exception as error:
            self.failures += 1
            logger.exception("the matcher failed; its index is read anew")
            self._matcher = self._make()
            if self._policy:
                self._matcher.configure(*self._policy)
            self.on_replaced()
            raise NotReady("the matcher failed and its index is read anew; try again") from error

    def configure(self, order: str, fit: str, weights: Sequence[int]) -> None:
        self._call(lambda matcher: matcher.configure(order, fit, weights))
        self._policy = (order, fit, weights)

    def add_shape(self, base: str, document: bytes) -> None:
        self._call(lambda matcher: matcher.add_shape(base, document))

    def set_worker(self, worker_id: str, version: int, document: bytes) -> None:
        self._call(lambda matcher: matcher.set_worker(worker_id, version, document))

    def set_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        self._call(
            lambda matcher: matcher.set_load(worker_id, cpu_percent, memory_percent, gpu_percent)
        )

    def remove_worker(self, worker_id: str) -> None:
        self._call(lambda matcher: matcher.remove_worker(worker_id))

    def apply(self, entries: Sequence[bytes]) -> Applied:
        return self._call(lambda matcher: matcher.apply(entries))

    def reset(self) -> None:
        self._call(lambda matcher: matcher.reset())

    def propose(self, worker_id: str, limit: int) -> list[Proposal]:
        return self._call(lambda matcher: matcher.propose(worker_id, limit))

    def offer(self, lane: str, waiting: Sequence[str]) -> list[str]:
        return self._call(lambda matcher: matcher.offer(lane, waiting))

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        return self._call(lambda matcher: matcher.explain(document, customer, avoided))

    def explain_worker(self, worker_id: str) -> list[tuple[str, int, list[str]]]:
        return self._call(lambda matcher: matcher.explain_worker(worker_id))

    def unserved(self) -> list[tuple[str, int]]:
        return self._call(lambda matcher: matcher.unserved())

    def figures(self) -> IndexFigures:
        return self._call(lambda matcher: matcher.figures())

    def check(self) -> list[str]:
        return self._call(lambda matcher: matcher.check())
