"""What must hold between the keys of a data set whenever no call is under way: `await broken(store)` lists what does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from empq.model.lifecycle import ENDED, HELD, STATES
from empq.store.keys import NOUNS, key, prefix, workflow_id
from empq.store.record import (
    JobRecord,
    LoggedEvent,
    WorkerRecord,
    decode_event,
    decode_job,
    decode_worker,
)
from empq.store.store import Store

OF_A_JOB = ("envelope", "result", "progress", "history", "dependants")
END_EVENTS = {"job_completed", "job_failed", "job_timeout", "job_cancelled"}

Scores = dict[str, float]


class Data:
    """Everything in Redis, by noun and id."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobRecord] = {}
        self.workers: dict[str, WorkerRecord] = {}
        self.histories: dict[str, list[LoggedEvent]] = {}
        self.hashes: dict[tuple[str, str], dict[str, str]] = {}
        self.sets: dict[tuple[str, str], set[str]] = {}
        self.scores: dict[tuple[str, str], Scores] = {}
        self.ids: dict[str, set[str]] = {noun: set() for noun in NOUNS}

    def members(self, noun: str, identifier: str = "") -> set[str]:
        return self.sets.get((noun, identifier), set())

    def scored(self, noun: str, identifier: str = "") -> Scores:
        return self.scores.get((noun, identifier), {})

    def hash(self, noun: str, identifier: str = "") -> dict[str, str]:
        return self.hashes.get((noun, identifier), {})


async def broken(store: Store) -> list[str]:
    """One sentence for each inconsistency."""
    data = await read(store)
    return [
        *_jobs(data),
        *_places(data),
        *_histories(data),
        *_waits(data),
        *_workers(data),
        *_own_keys(data),
        *_counters(data),
        *await _log(store, data),
    ]


async def read(store: Store) -> Data:
    """Reads all keys of the partition."""
    data = Data()
    cursor = b"0"
    names: set[bytes] = set()
    while True:
        cursor, page = await store.command("SCAN", cursor, "MATCH", prefix() + "*", "COUNT", 1000)
        names.update(page)
        if cursor == b"0":
            break
    await asyncio.gather(*(_read_key(store, data, name) for name in names))
    return data


async def _read_key(store: Store, data: Data, name: bytes) -> None:
    noun, _, identifier = name.decode().removeprefix(prefix()).partition(":")
    if noun not in NOUNS:
        return
    data.ids[noun].add(identifier)
    kind = NOUNS[noun].redis_type
    if noun == "job":
        data.jobs[identifier] = decode_job(await store.command("GET", name))
    elif noun == "worker":
        data.workers[identifier] = decode_worker(await store.command("GET", name))
    elif noun == "history":
        listed = await store.command("LRANGE", name, 0, -1)
        data.histories[identifier] = [decode_event(packed) for packed in listed]
    elif kind == "HASH":
        data.hashes[noun, identifier] = _pairs(await store.command("HGETALL", name))
    elif kind == "SET":
        found = await store.command("SMEMBERS", name)
        data.sets[noun, identifier] = {member.decode() for member in found}
    elif kind == "ZSET":
        listed = _pairs(await store.command("ZRANGE", name, 0, -1, "WITHSCORES"))
        data.scores[noun, identifier] = {member: float(score) for member, score in listed.items()}


def _pairs(flat: list[bytes]) -> dict[str, str]:
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def _member(job_id: str, job: JobRecord) -> str:
    return f"{job.sequence:016x}{job_id}"


def lane_of(job: JobRecord) -> str:
    """Where a queued job must stand."""
    avoided = "!" + ",".join(sorted(worker for worker, _ in job.avoided)) if job.avoided else ""
    return f"{job.shape}{avoided}:{job.customer}"


def _says(where: str, expected: dict[str, bool]) -> Iterable[str]:
    return (f"{where}: not so: {what}" for what, holds in expected.items() if not holds)


def _jobs(data: Data) -> Iterable[str]:
    """Each job is where its state says, and nowhere else."""
    for job_id, job in data.jobs.items():
        state, member = job.state, _member(job_id, job)
        is_queued, is_held, has_ended = state == "queued", state in HELD, state in ENDED
        holders = [
            worker_id
            for worker_id, worker in data.workers.items()
            if any(
                held.job == job_id and held.attempt == job.attempt and not held.cancelled
                for held in worker.held
            )
        ]
        rank = (100 - job.priority) * 2**46 + job.major
        yield from _says(
            f"job {job_id} ({state})",
            {
                "known state": state in STATES,
                "has an envelope": job_id in data.ids["envelope"],
                "is listed": job_id in data.scored("created"),
                "is listed by customer": job_id in data.scored("created_of", job.customer),
                "lane names itself": not is_queued or job.lane == lane_of(job),
                "stands in its lane": not is_queued
                or data.scored("lane", job.lane).get(member) == rank,
                "stands in its line": (data.scored("line", job.service).get(member) == rank)
                == is_queued,
                "has no lane": is_queued or job.lane == "",
                "waits for something": state != "pending"
                or job.waiting > 0
                or job_id in data.scored("pending"),
                "is not due": state == "pending" or job_id not in data.scored("pending"),
                "has a holder": holders == ([job.worker] if is_held else []),
                "has a time-out": not is_held or job_id in data.scored("deadlines"),
                "has ended at a time": (job.ended_at > 0) == has_ended,
                "is listed as ended": {
                    status for status in ENDED if job_id in data.scored("ended", status)
                }
                == ({state} if has_ended else set()),
                "will be forgotten": (job_id in data.scored("forget")) == has_ended,
                "will pass its deadline": (job_id in data.scored("wall_deadlines"))
                == (job.deadline_at > 0 and not has_ended),
                "will avoid nobody": (job_id in data.scored("avoidances"))
                == (is_queued and bool(job.avoided)),
                "counted attempts": job.counted <= job.max_retries + 1 and job.releases <= 10,
                "result": (job_id in data.ids["result"]) == (job.has_result == 1),
                "a result only where completed": state == "completed" or not job.has_result,
            },
        )


def _places(data: Data) -> Iterable[str]:
    """Nothing stands anywhere that its record does not know of."""
    for noun in ("lane", "line"):
        for identifier in data.ids[noun]:
            for member in data.scored(noun, identifier):
                job = data.jobs.get(member[16:])
                place = job and (job.lane if noun == "lane" else job.service)
                if not job or job.state != "queued" or place != identifier:
                    yield f"{noun} {identifier}: {member} does not belong there"
    if data.members("lanes") != data.ids["lane"]:
        yield f"lanes: {sorted(data.members('lanes') ^ data.ids['lane'])} differ from the lanes"
    listed = ("created", "pending", "wall_deadlines", "avoidances", "forget")
    for noun in listed:
        for job_id in data.scored(noun).keys() - data.jobs.keys():
            yield f"{noun}: job {job_id} does not exist"
    for noun in ("created_of", "ended"):
        for identifier in data.ids[noun]:
            for job_id in data.scored(noun, identifier).keys() - data.jobs.keys():
                yield f"{noun} {identifier}: job {job_id} does not exist"
    slots = {held.job for worker in data.workers.values() for held in worker.held}
    for job_id in data.scored("deadlines").keys() - slots:
        yield f"deadlines: job {job_id} is held by nobody"


def _histories(data: Data) -> Iterable[str]:
    """Versions and attempts without a gap; one end, and nothing after it."""
    for job_id, job in data.jobs.items():
        events = data.histories.get(job_id, [])
        if bool(events) != (job.logged == 1):
            yield f"history of {job_id}: logged {job.logged}, {len(events)} events"
        if not events:
            continue
        ends = [event for event in events if event.event in END_EVENTS]
        outcomes: dict[int, list[str]] = {}
        for event in events:
            if event.outcome:
                outcomes.setdefault(event.attempt, []).append(event.outcome)
        started = [event.attempt for event in events if event.event == "job_assigned"]
        yield from _says(
            f"history of {job_id}",
            {
                "versions are dense": [event.version for event in events]
                == list(range(1, job.version + 1)),
                "attempts are dense": started == list(range(1, job.attempt + 1)),
                "one end, the last": len(ends) == (job.state in ENDED)
                and (not ends or ends[0] is events[-1]),
                "tells the state": events[-1].status == job.state or job.state == "accepted",
                "each attempt ends once": all(map(_is_one_end, outcomes.values())),
            },
        )


def _is_one_end(outcomes: list[str]) -> bool:
    """A lost attempt's late result may still be taken."""
    return len(outcomes) == 1 or outcomes == ["lost", "completed"]


def _waits(data: Data) -> Iterable[str]:
    """Dependants and what they wait for know of each other; workflows count their open jobs."""
    waits: Counter[str] = Counter()
    for dependency in data.ids["dependants"]:
        other = data.jobs.get(dependency)
        if other is None or other.dependants != 1:
            yield f"dependants of {dependency}: it does not know of them"
        elif other.ended_at and dependency not in data.members("settle"):
            yield f"dependants of {dependency}: it has ended and nobody settles them"
        waits.update(data.members("dependants", dependency))
    for job_id, job in data.jobs.items():
        if job.state == "pending" and job.waiting != waits[job_id]:
            yield f"job {job_id}: waits for {job.waiting}, {waits[job_id]} know of it"
    flows: dict[str, set[str]] = {}
    for job_id, job in data.jobs.items():
        if job.workflow:
            flows.setdefault(workflow_id(job.customer, job.workflow), set()).add(job_id)
    for flow in flows.keys() | data.ids["workflow"] | data.ids["workflow_jobs"]:
        ids = flows.get(flow, set())
        still_open = sum(data.jobs[job_id].state not in ENDED for job_id in ids)
        if data.members("workflow_jobs", flow) != ids:
            yield f"workflow {flow}: its jobs are not those that name it"
        if data.hash("workflow", flow).get("open") != str(still_open):
            yield f"workflow {flow}: {data.hash('workflow', flow)}, {still_open} are open"


def _workers(data: Data) -> Iterable[str]:
    """Slots and sessions."""
    for worker_id, worker in data.workers.items():
        jobs = [(held.job, held.attempt) for held in worker.held]
        is_offline = worker.state == "offline"
        yield from _says(
            f"worker {worker_id} ({worker.state})",
            {
                "holds each once": len(set(jobs)) == len(jobs),
                "holds nothing offline": not is_offline or not jobs,
                "holds no more than its slots": len(jobs) <= worker.slots,
                "has a session": (worker_id in data.scored("sessions")) != is_offline,
                "is listed": worker_id in data.scored("workers"),
                "has capabilities": worker_id in data.ids["capabilities"],
            },
        )
        for held in worker.held:
            job = data.jobs.get(held.job)
            is_current = job and job.state in HELD and job.worker == worker_id
            if held.cancelled == 0 and not (is_current and job and job.attempt == held.attempt):
                yield f"worker {worker_id}: holds {held.job} {held.attempt}, which is not its own"
            if held.cancelled and job and job.state != "cancelled":
                yield f"worker {worker_id}: {held.job} is {job.state}, its slot says cancelled"


def _own_keys(data: Data) -> Iterable[str]:
    """Nothing is left of jobs and workers that are gone."""
    for noun in OF_A_JOB:
        for job_id in data.ids[noun] - data.jobs.keys():
            yield f"{noun}: left of job {job_id}"
    for noun in ("capabilities", "vitals"):
        for worker_id in data.ids[noun] - data.workers.keys():
            yield f"{noun}: left of worker {worker_id}"


def _counters(data: Data) -> Iterable[str]:
    counted = Counter(job.state for job in data.jobs.values())
    told = {status: int(number) for status, number in data.hash("counts").items()}
    if any(counted[status] != told.get(status, 0) for status in STATES):
        yield f"counts: {told}, in truth {dict(counted)}"
    uses = Counter(job.shape for job in data.jobs.values())
    if {shape: str(number) for shape, number in uses.items()} != data.hash("shape_uses"):
        yield f"shape_uses: {data.hash('shape_uses')}, in truth {dict(uses)}"
    if data.hash("shapes").keys() != uses.keys():
        yield "shapes: documents of others than those in use"


async def _log(store: Store, data: Data) -> Iterable[str]:
    last: list[Any] = await store.command("XREVRANGE", key("events"), "+", "-", "COUNT", 1)
    number = data.hash("dataset").get("number", "0")
    if last and last[0][0].decode() != f"{number}-0":
        return [f"events: the last is {last[0][0].decode()}, the data set says {number}"]
    return []
