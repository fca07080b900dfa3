"""The packed records: what of a job and of a worker changes, each one msgpack array in one string.

The structs below own the layout: Python decodes them directly, Lua gets their field names as
constants (include `record`). Absent values are "", 0 or []; times are ms.
"""

from __future__ import annotations

import msgspec


class JobRecord(msgspec.Struct, array_like=True):
    """One job. `*_at` are ms of Redis time; `assigned_l` and avoided ends are on the lease clock."""

    state: str = ""
    priority: int = 50
    attempt: int = 0
    worker: str = ""
    lease: str = ""
    type: str = ""
    customer: str = ""
    service: str = ""
    strict: int = 0
    shape: str = ""
    avoided: list[tuple[str, int]] = []
    lane: str = ""
    sequence: int = 0
    major: int = 0
    workflow: str = ""
    created_at: int = 0
    queued_at: int = 0
    assigned_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    run_at: int = 0
    retry_at: int = 0
    deadline_at: int = 0
    assigned_l: int = 0
    timeout_ms: int = 0
    accept_ms: int = 0
    max_retries: int = 3
    delays_ms: list[int] = []
    elsewhere: int = 1
    counted: int = 0
    delayed: int = 0
    releases: int = 0
    outcome: str = ""
    version: int = 0
    logged: int = 0
    born_pending: int = 0
    digest: str = ""
    error_code: str = ""
    error_message: str = ""
    error_details: str = ""
    waiting: int = 0
    dependants: int = 0
    keep_completed_ms: int = 0
    keep_failed_ms: int = 0
    retry_of: str = ""
    artifacts: list[str] = []
    has_result: int = 0
    webhook: int = 0
    charged: int = 0


class CustomerRecord(msgspec.Struct, array_like=True):
    """One customer: settings (-1: none), and what its jobs are doing now.

    `active` jobs are assigned, accepted or in progress, `waiting` ones pending or queued, `queued` those of them that
    are queued; `virtual_time` is in micro slot-seconds; `reserved` is what a batch under way may still store.
    """

    weight: int = 1
    max_active: int = -1
    max_queued: int = -1
    active: int = 0
    waiting: int = 0
    queued: int = 0
    virtual_time: int = 0
    reserved: int = 0
    reserved_until: int = 0


class HeldJob(msgspec.Struct, array_like=True):
    """One job that a worker holds. `missing_since`: first heartbeat that left it out, ms of Redis time, else 0;
    `cancelled`: until when its slot waits for the worker's answer, ms of the lease clock, else 0."""

    job: str
    attempt: int
    customer: str
    service: str
    strict: int
    missing_since: int
    cancelled: int
    reason: str
    claim: str


class WorkerRecord(msgspec.Struct, array_like=True):
    """One worker. `lease_until` is on the lease clock, the other times are ms of Redis time."""

    session: str = ""
    state: str = ""
    version: int = 0
    slots: int = 1
    capacity: list[tuple[str, int]] = []
    max_customers: int = 0
    held: list[HeldJob] = []
    lease_until: int = 0
    registered_at: int = 0
    heartbeat_at: int = 0
    idle_since: int = 0
    completed: int = 0
    failed: int = 0
    claims: list[str] = []
    drain_until: int = 0


class LoggedEvent(msgspec.Struct, array_like=True):
    """One entry of a job's history, and one job event of the log (`detail` is JSON-free: pairs of name and text)."""

    version: int
    event: str
    status: str
    at: int
    attempt: int
    worker: str
    outcome: str
    code: str
    message: str


def lua_include() -> str:
    """Field positions as Lua constants: J.<field>, W.<field>, H.<field>, C.<field>."""
    return "\n".join(
        f"local {letter} = {{ {', '.join(f'{name} = {i}' for i, name in enumerate(struct.__struct_fields__, 1))} }}"
        for letter, struct in (
            ("J", JobRecord),
            ("W", WorkerRecord),
            ("H", HeldJob),
            ("C", CustomerRecord),
        )
    )


decode_job = msgspec.msgpack.Decoder(JobRecord).decode
decode_worker = msgspec.msgpack.Decoder(WorkerRecord).decode
decode_customer = msgspec.msgpack.Decoder(CustomerRecord).decode
decode_event = msgspec.msgpack.Decoder(LoggedEvent).decode
encode = msgspec.msgpack.Encoder().encode
