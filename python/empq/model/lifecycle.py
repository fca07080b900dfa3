"""The life of a job: one table, (event, state) -> states it may move to. Everything else derives from it.

The Lua scripts get this table as an include (store/scripts.py), docs/lifecycle.md its diagram
(`make docs`). Source: contract.md, "States". A missing entry is the error.
"""

from __future__ import annotations

PENDING = "pending"
QUEUED = "queued"
ASSIGNED = "assigned"
ACCEPTED = "accepted"
IN_PROGRESS = "in_progress"
COMPLETED = "completed"
FAILED = "failed"
TIMEOUT = "timeout"
CANCELLED = "cancelled"

STATES = (
    PENDING, QUEUED, ASSIGNED, ACCEPTED, IN_PROGRESS, COMPLETED, FAILED, TIMEOUT, CANCELLED,
)  # fmt: skip

#: event -> {state before: states after, the usual one first}
MOVES: dict[str, dict[str, tuple[str, ...]]] = {
    "submit": {"": (QUEUED, PENDING)},
    "promote": {PENDING: (QUEUED,)},
    "claim": {QUEUED: (ASSIGNED,)},
    "accept": {ASSIGNED: (ACCEPTED,)},
    "start": {ASSIGNED: (IN_PROGRESS,), ACCEPTED: (IN_PROGRESS,)},
    "complete": {
        ASSIGNED: (COMPLETED,),
        ACCEPTED: (COMPLETED,),
        IN_PROGRESS: (COMPLETED,),
        # A late result of the latest attempt, after it was lost.
        QUEUED: (COMPLETED,),
        PENDING: (COMPLETED,),
    },
    "fail": dict.fromkeys((ASSIGNED, ACCEPTED, IN_PROGRESS), (PENDING, QUEUED, FAILED)),
    "release": dict.fromkeys((ASSIGNED, ACCEPTED, IN_PROGRESS), (QUEUED, FAILED)),
    "lose": dict.fromkeys((ASSIGNED, ACCEPTED, IN_PROGRESS), (QUEUED, FAILED)),
    "not_accept": {ASSIGNED: (QUEUED, FAILED)},
    "time_out": dict.fromkeys((ASSIGNED, ACCEPTED, IN_PROGRESS), (PENDING, QUEUED, TIMEOUT)),
    "pass_deadline": dict.fromkeys((PENDING, QUEUED, ASSIGNED, ACCEPTED, IN_PROGRESS), (TIMEOUT,)),
    "cancel": dict.fromkeys((PENDING, QUEUED, ASSIGNED, ACCEPTED, IN_PROGRESS), (CANCELLED,)),
    "reprioritise": {
        state: (state,) for state in (PENDING, QUEUED, ASSIGNED, ACCEPTED, IN_PROGRESS)
    },
}

ENDED = frozenset(STATES) - {state for moves in MOVES.values() for state in moves}
HELD = frozenset(MOVES["release"])
WAITING = frozenset(STATES) - ENDED - HELD
RETRYABLE = frozenset({FAILED, TIMEOUT, CANCELLED})

#: outcomes of an attempt; the counted ones use up max_retries
OUTCOMES = ("completed", "failed", "timeout", "lost", "released", "not_accepted", "cancelled")
COUNTED_OUTCOMES = frozenset({"failed", "timeout", "lost", "not_accepted"})


def may(event: str, state: str) -> bool:
    """Whether the event is allowed in this state."""
    return state in MOVES[event]
