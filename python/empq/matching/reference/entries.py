"""Index parts of log entries: what they hold, and their decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from empq.model.shape import split_lane_id

#: 0..2^63 - 1
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Bit = Annotated[int, Meta(ge=0, le=1)]
#: -1: no quota
Quota = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
#: (scope, name)
Pause = tuple[Literal["worker", "service", "type", "customer"], str]


class LaneEntry(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A lane afterwards; count 0 = empty."""

    lane_id: str
    rank: Natural
    member: str
    count: Count


class WorkerEntry(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A worker afterwards; held = (customer, service or "", strict) of each job."""

    worker_id: str
    version: int
    state: Literal["online", "draining", "offline"]
    idle_since_ms: int
    held: list[tuple[str, str, Bit]]


class CustomerEntry(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A customer afterwards. Its weight is in its virtual time already."""

    customer: str
    weight: Natural
    max_active: Quota
    active: Natural
    virtual_time: Natural


class IndexEntry(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """The index part of one log entry, of three elements or of five; pauses 0 = unchanged."""

    number: Natural
    lanes: list[LaneEntry]
    workers: list[WorkerEntry]
    pauses: Literal[0] | list[Pause] | UnsetType = UNSET
    customers: list[CustomerEntry] | UnsetType = UNSET


_decoder = msgspec.msgpack.Decoder(IndexEntry)


def read_entries(entries: Sequence[bytes]) -> list[IndexEntry]:
    """All entries; ValueError with the place of the first malformed one."""
    result: list[IndexEntry] = []
    for place, raw in enumerate(entries):
        try:
            entry = _decoder.decode(raw)
            _check(entry)
        except ValueError as error:
            raise ValueError(f"index entry {place}: {error}") from None
        result.append(entry)
    return result


def _check(entry: IndexEntry) -> None:
    """What the types do not say."""
    if (entry.pauses is UNSET) != (entry.customers is UNSET):
        raise ValueError("entry has 4 elements, not 3 or 5")
    for lane in entry.lanes:
        split_lane_id(lane.lane_id)
