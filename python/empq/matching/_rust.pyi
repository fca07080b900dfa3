"""The Rust matcher: the index of all lanes and all workers of one data set.

It obeys `empq.matching.interface.Matcher`; what each call means stands there, what it costs and
raises stands here. Every call releases the GIL, may be made from any thread, and is exclusive.
A panic inside is raised as RuntimeError ("matcher panicked: ..."): make a new matcher then.
"""

from collections.abc import Sequence
from typing import Final, final

from empq.matching.interface import Applied, IndexFigures, Proposal, Verdict

__all__ = ["DEBUG_BUILD", "RustMatcher", "__version__"]

__version__: Final[str]
"""The version of the crate, which is that of the package."""

DEBUG_BUILD: Final[bool]
"""Whether the extension was built without optimisation: many times slower."""

@final
class RustMatcher:
    """An empty matcher; several are independent of each other."""

    def __new__(cls) -> RustMatcher: ...
    def configure(self, order: str, fit: str, weights: Sequence[int]) -> None:
        """The policies: order fifo | score | fair, fit best_fit | headroom, seven weights.

        Raises ValueError for another word, or for weights that are not seven of 0 to 100 that sum to
        100; nothing is changed then. O(lanes) where the order becomes fair.
        """

    def add_shape(self, base: str, document: bytes) -> None:
        """Makes a shape known; its lanes take part from now on.

        Raises ValueError where the document is malformed or has an unknown key.
        """

    def set_worker(self, worker_id: str, version: int, document: bytes) -> None:
        """Sets a worker's capabilities unless a newer version is known.

        Equal capabilities (but for health and models loaded) share what was judged about them.
        Raises ValueError where the document is malformed or has an unknown key.
        """

    def set_load(
        self, worker_id: str, cpu_percent: int, memory_percent: int, gpu_percent: int
    ) -> None:
        """The last heartbeat's load, clamped to 0..100 each; unknown workers are ignored. O(1)."""

    def remove_worker(self, worker_id: str) -> None:
        """Forgets a worker, its documents and its state. O(1)."""

    def apply(self, entries: Sequence[bytes]) -> Applied:
        """Applies index parts of log entries in the order given, of three parts or of five.

        An entry costs O(log lanes of its shape). Integers are below 2**63, counts below 2**32.
        Raises ValueError, with the place of the first malformed entry; nothing is applied then.
        """

    def reset(self) -> None:
        """Forgets lanes, workers' states, pauses and customers.

        Shapes, capabilities, loads and policies stay.
        """

    def propose(self, worker_id: str, limit: int) -> list[Proposal]:
        """The lanes that the worker may take from now, best first, at most `limit` (>= 0).

        Reads one number per 64 shapes, then only what can still win: under fifo by its head, under
        score and fair by its priority too.
        """

    def offer(self, lane: str, waiting: Sequence[str]) -> list[str]:
        """The waiting workers that may take the lane's head, best first, each once. O(waiting).

        Raises ValueError where `lane` is no lane id.
        """

    def explain(self, document: bytes, customer: str, avoided: Sequence[str]) -> list[Verdict]:
        """Every worker that takes part, by id, with all rules that it breaks. O(workers).

        Raises ValueError where the document is malformed or has an unknown key.
        """

    def explain_worker(self, worker_id: str) -> list[tuple[str, int, list[str]]]:
        """Every lane of a known shape that holds jobs: (lane, count, rules that keep the worker away).

        By lane id; empty where the worker takes no part. O(lanes).
        """

    def unserved(self) -> list[tuple[str, int]]:
        """Lanes whose jobs no worker taking part could ever take: (lane, count), by lane id.

        O(lanes + shapes x profiles); what a match has judged is not judged again.
        """

    def figures(self) -> IndexFigures:
        """Sizes. O(workers)."""

    def check(self) -> list[str]:
        """Inconsistencies of the index, one sentence each; looks at everything."""
