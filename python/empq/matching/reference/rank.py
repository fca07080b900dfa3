"""What comes first: the order of lanes for a worker, and the order of workers for a lane.

A lane's rank holds its head's priority and sequence, or its place by age. fifo goes by it alone;
score and fair (`index.propose`) look at the priority, then at their own measure, then at it.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The bits of a rank below its priority.
PRIORITY_SHIFT = 46


@dataclass(slots=True)
class Lane:
    """One customer's jobs of one shape: the head, how many there are, the entry that said so."""

    lane_id: str
    base: str
    avoided: tuple[str, ...]
    customer: str
    number: int = 0
    rank: int = 0
    member: str = ""
    count: int = 0

    @property
    def level(self) -> int:
        """Lower for a higher priority."""
        return self.rank >> PRIORITY_SHIFT


def pull_order(lane: Lane) -> tuple[int, bytes, bytes]:
    """The lane with the best head sorts first; members compare bytewise."""
    return lane.rank, lane.member.encode(), lane.lane_id.encode()


def offer_order(score: int, idle_since_ms: int, worker_id: str) -> tuple[int, int, bytes]:
    """The worker that suits best sorts first, then the longest idle one, then by id."""
    return -score, idle_since_ms, worker_id.encode()
