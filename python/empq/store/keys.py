"""Every Redis key of empq, once; the Lua scripts get this table as the include `keys`.

All keys of one partition share a slot by the hash tag: `empq:{p0}:<noun>` for collections,
`empq:{p0}:<noun>:<id>` for records.
"""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """One kind of key: its Redis type, whether an id follows the noun, and what it holds."""

    redis_type: str
    has_id: bool
    holds: str


NOUNS: dict[str, Noun] = {
    "dataset": Noun("HASH", False, "id, epoch, entry number, sequence, lease clock, settings kept with the data"),
    "job": Noun("STRING", True, "one job's record, packed (record.py)"),
    "envelope": Noun("STRING", True, "what its assignments say and never changes"),
    "result": Noun("STRING", True, "the accepted result, as sent"),
    "progress": Noun("STRING", True, "the latest progress, packed"),
    "history": Noun("LIST", True, "events, packed; begins where the record cannot tell them"),
    "lane": Noun("ZSET", True, "member (sequence and job id) by rank"),
    "lanes": Noun("SET", False, "lanes that hold jobs"),
    "shapes": Noun("HASH", False, "shape's base to its document"),
    "shape_uses": Noun("HASH", False, "shape's base to the number of stored jobs"),
    "line": Noun("ZSET", True, "member by rank, over all queued jobs of one service: positions"),
    "created": Noun("ZSET", False, "job id by created_at, ms"),
    "created_of": Noun("ZSET", True, "the same for one customer"),
    "ended": Noun("ZSET", True, "the same for one ended status"),
    "pending": Noun("ZSET", False, "job id by the time when it is due, ms of Redis time"),
    "wall_deadlines": Noun("ZSET", False, "job id by its deadline, ms of Redis time"),
    "deadlines": Noun("ZSET", False, "held job id by its accept or run time-out, ms of the lease clock"),
    "avoidances": Noun("ZSET", False, "job id by the end of its first avoided worker, ms of the lease clock"),
    "forget": Noun("ZSET", False, "ended job id by the time to forget it, ms of Redis time"),
    "settle": Noun("SET", False, "ended jobs whose dependants wait to be settled"),
    "dependants": Noun("SET", True, "ids of the jobs that wait for this one"),
    "workflow": Noun("HASH", True, "seq, open, ended_at of one customer's workflow"),
    "workflow_jobs": Noun("SET", True, "its stored jobs"),
    "worker": Noun("STRING", True, "one worker's record, packed (record.py)"),
    "capabilities": Noun("STRING", True, "version and capabilities as sent, JSON"),
    "vitals": Noun("STRING", True, "the last heartbeat's system_info, load and connector_status, JSON"),
    "workers": Noun("ZSET", False, "worker id by last heartbeat, ms of Redis time"),
    "sessions": Noun("ZSET", False, "worker id by the end of its lease, ms of the lease clock"),
    "customer": Noun("STRING", True, "one customer's settings and figures, packed (record.py)"),
    "customers": Noun("SET", False, "customers that settings were given"),
    "pauses": Noun("HASH", False, "pause id to {id, scope, name, reason, created_at}, JSON"),
    "shape_seconds": Noun("HASH", False, "shape's base to its mean slot-seconds, micro"),
    "counts": Noun("HASH", False, "status to the number of stored jobs"),
    "totals": Noun("HASH", False, "submitted, and ended status, to the number so far"),
    "events": Noun("STREAM", False, "the log: ids are entry numbers"),
    "idempotency": Noun("STRING", True, "what the first answer was made of; expires"),
}  # fmt: skip

PROGRESS_CHANNEL = "progress_channel"


def prefix(partition: int = 0) -> str:
    """What every key of the partition begins with."""
    return f"empq:{{p{partition}}}:"


def key(noun: str, identifier: str | None = None, partition: int = 0) -> str:
    """One key; `identifier` where the noun has one."""
    if NOUNS[noun].has_id != (identifier is not None):
        raise ValueError(f"key {noun!r}: has_id is {NOUNS[noun].has_id}")
    return prefix(partition) + noun + (f":{identifier}" if identifier is not None else "")


def progress_channel(partition: int = 0) -> str:
    """The Pub/Sub channel of coalesced progress."""
    return prefix(partition) + PROGRESS_CHANNEL


def workflow_id(customer: str, workflow: str) -> str:
    """A workflow's id in keys; the length keeps ("a:b", "c") and ("a", "b:c") apart."""
    return f"{len(customer.encode())}:{customer}:{workflow}"


def lua_include() -> str:
    """The table as Lua locals: KEY.<noun>, each ending in ':' where an id follows."""
    lines = ["local KEY = {"]
    lines += [
        f'  {noun} = prefix .. "{noun}{":" if info.has_id else ""}",'
        for noun, info in NOUNS.items()
    ]
    lines += [f'  {PROGRESS_CHANNEL} = prefix .. "{PROGRESS_CHANNEL}",', "}"]
    return "\n".join(lines)
