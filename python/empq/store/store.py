"""The store: every change of the data is one script, every read one command. Source of the scripts: lua/."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio.connection import AbstractConnection

from empq.errors import StartRefused, Unavailable
from empq.settings import DEFAULT_ACCEPT_SECONDS, DEFAULT_LEASE_SECONDS, Settings, without_password
from empq.store import record, scripts
from empq.store.calls import FOREIGN, MOST_ITEMS, Batch, Reply, ScriptCalls, Tick
from empq.store.connection import ask, check_server, connection_factory, parse_info, refusal
from empq.store.durability import Barrier, Plan, resolve
from empq.store.keys import key
from empq.store.round_trips import RoundTrips


class Dataset(msgspec.Struct):
    """What the data set says of itself; the settings that are kept with the data."""

    id: str
    epoch: int
    number: int
    lease_ms: int
    accept_ms: int


class NewJob(msgspec.Struct, array_like=True):
    """One job to store: its id, its record, what it depends on, its delay from now."""

    id: str
    record: record.JobRecord
    depends_on: list[str]
    delay_ms: int


class Shape(NamedTuple):
    """A shape's base and its document."""

    base: str
    document: str


class SubmitBatch(Batch):
    """Submissions of one tick: one call, each judged alone."""

    def __init__(self, calls: ScriptCalls, tick: Tick) -> None:
        super().__init__(calls, tick, "submit_jobs")

    async def call(self, items: list[Any], texts: list[bytes]) -> list[Any]:
        shapes = dict(shape for _, shape in items)
        args = [[job for job, _ in items], list(shapes.items()), 1, "", ""]
        return (await self.run(args, texts))[1]

    async def run(self, args: list[Any], texts: list[bytes]) -> Reply:
        """The script's reply; a job that is stored, but not as safely as was asked for, says so by a last False."""
        reply = await self._calls.run(self._name, args, texts)
        if not await self._calls.is_kept():
            for result in reply[1]:
                if result[0] == "ok":
                    result.append(False)
        return reply


class ClaimBatch(Batch):
    """Claims of one tick: one call; envelopes come beside the packed reply."""

    def __init__(self, calls: ScriptCalls, tick: Tick) -> None:
        super().__init__(calls, tick, "claim_jobs")
        self.applied = 0

    async def call(self, items: list[Any], texts: list[bytes]) -> list[Any]:
        reply = await self._calls.raw("claim_jobs", [self.applied, items])
        results: list[Any] = self._calls.unpack(reply)[1]
        envelopes = iter(reply[2:])
        for result in results:
            if result[0] == "ok":
                for given in result[1]:
                    given.append(next(envelopes))
        return results


class Store:
    """One data set in one Redis. All methods raise Unavailable while Redis is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.make_connection = connection_factory(settings.redis_url)
        self.round_trips = RoundTrips(self.make_connection, self._prepare)
        self.calls = ScriptCalls(self.round_trips)
        tick = Tick()  # flushed in this order
        self.submit = SubmitBatch(self.calls, tick)
        self.accept = Batch(self.calls, tick, "accept_jobs")
        self.progress = Batch(self.calls, tick, "progress_jobs")
        self.complete = Batch(self.calls, tick, "complete_jobs", is_ack=True)
        self.fail = Batch(self.calls, tick, "fail_jobs", is_ack=True)
        self.release = Batch(self.calls, tick, "release_jobs", is_ack=True)
        self.cancel = Batch(self.calls, tick, "cancel_jobs", is_ack=True)
        self.reprioritise = Batch(self.calls, tick, "reprioritise_jobs", is_ack=True)
        self.heartbeat = Batch(self.calls, tick, "heartbeat_workers")
        self.claim = ClaimBatch(self.calls, tick)
        self.durability = Plan("fast", None)
        self.barrier: Barrier | None = None

    async def _prepare(self, connection: AbstractConnection) -> None:
        for name in scripts.names():
            await ask(connection, "SCRIPT", "LOAD", scripts.load(name).text)

    async def open(self, expected: str = "") -> Dataset:
        """Connects, checks the server, opens the data set, which must be the `expected` one where that is stated.

        Raises StartRefused with a sentence.
        """
        url = self._settings.redis_url
        try:
            connection = self.make_connection()
            try:
                await connection.connect()
                await check_server(connection, url)
                self.durability = await resolve(connection, self._settings.durability)
            finally:
                await connection.disconnect(nowait=True)
            await self.round_trips.open()
            await self.round_trips.connected.wait()
        except StartRefused:
            raise
        except Exception as error:
            raise refusal(error, url) or StartRefused(
                f"cannot reach Redis at {without_password(url)}: {error}. Start one (`redis-server`), name it with --redis, or use `empq up`"
            ) from None
        dataset = await self._open_dataset(expected)
        self.calls.dataset_id = dataset.id.encode()
        await self._open_barrier()
        return dataset

    async def _open_barrier(self) -> None:
        if self.durability.wait:
            self.barrier = Barrier(RoundTrips(self.make_connection, self._prepare), self.durability)
            self.barrier.calls.dataset_id = self.calls.dataset_id
            await self.barrier.open()
            self.calls.kept = self.barrier.kept

    async def _open_dataset(self, expected: str) -> Dataset:
        stated = (
            ("lease_ms", self._settings.lease_seconds, DEFAULT_LEASE_SECONDS),
            ("accept_ms", self._settings.accept_seconds, DEFAULT_ACCEPT_SECONDS),
        )
        rows = [
            [name, "" if value is None else str(round(value * 1000)), str(round(default * 1000))]
            for name, value, default in stated
        ]
        token, answer, *_ = await self.calls.run(
            "open_dataset",
            [secrets.token_hex(16), rows, int(self._settings.change_settings), expected],
        )
        if token == "other_dataset":
            found = f"data set {answer[0]}" if answer[0] else "no empq data"
            raise StartRefused(
                f"{without_password(self._settings.redis_url)} holds {found}, and this hub has served data set {expected} "
                "before: Redis was emptied or replaced. Put the data back, or start once with --accept-dataset"
            )
        if token == "settings_differ":
            name, kept, wanted = answer
            setting = name.removesuffix("_ms") + "_seconds"
            raise StartRefused(
                f"{setting} is {int(kept) / 1000:g} in the data and {int(wanted) / 1000:g} was stated; "
                "leave it out, or write it to the data with --change-settings"
            )
        identifier, epoch, number, values = answer
        kept = {name: int(value) for name, value in values}
        return Dataset(identifier, epoch, number, kept["lease_ms"], kept["accept_ms"])

    async def close(self) -> None:
        """Ends the connections."""
        if self.barrier:
            await self.barrier.close()
        await self.round_trips.close()

    async def command(self, *command: Any) -> Any:
        """One plain read; refused while Redis holds another data set, which would look like "no jobs"."""
        if self.calls.is_foreign:
            raise Unavailable(FOREIGN)
        return await self.round_trips.call(*command)

    async def on_disk(self) -> str:
        """A word on what Redis' append-only file has: the same word twice, over a second apart, and all before is synced."""
        fields = await self.information("persistence")
        quiet = fields.get("aof_buffer_length") == fields.get("aof_pending_bio_fsync") == "0"
        written = quiet and fields.get("aof_last_write_status") == "ok"
        return f"delayed {fields['aof_delayed_fsync']}" if written else ""

    async def information(self, section: str) -> dict[str, str]:
        """One section of INFO."""
        return parse_info(await self.command("INFO", section))

    async def jobs(self, ids: Sequence[str]) -> list[record.JobRecord | None]:
        """Records by id, None where there is none."""
        found: list[record.JobRecord | None] = []
        for start in range(0, len(ids), MOST_ITEMS):
            keys = [key("job", job_id) for job_id in ids[start : start + MOST_ITEMS]]
            found += [
                packed and record.decode_job(packed) for packed in await self.command("MGET", *keys)
            ]
        return found

    async def worker_ids(self) -> list[str]:
        """All known workers, by id."""
        return sorted(
            worker_id.decode() for worker_id in await self.command("ZRANGE", key("workers"), 0, -1)
        )

    async def workers(
        self, ids: Sequence[str]
    ) -> list[tuple[record.WorkerRecord | None, bytes | None, bytes | None]]:
        """(record, capabilities JSON, vitals JSON) by worker id."""
        if not ids:
            return []
        keys = [
            key(noun, worker_id)
            for worker_id in ids
            for noun in ("worker", "capabilities", "vitals")
        ]
        values = await self.command("MGET", *keys)
        return [
            (values[i] and record.decode_worker(values[i]), values[i + 1], values[i + 2])
            for i in range(0, len(values), 3)
        ]

    async def shapes(self, bases: Sequence[str]) -> dict[str, bytes]:
        """Documents of shapes by base; those that are gone are left out."""
        if not bases:
            return {}
        documents: list[bytes | None] = await self.command("HMGET", key("shapes"), *bases)
        return {base: document for base, document in zip(bases, documents, strict=True) if document}

    async def lane_pages(self, page: int = 1000) -> list[bytes]:
        """Every lane that holds jobs, as index parts, a page each."""
        parts: list[bytes] = []
        cursor = "0"
        while True:
            reply = await self.calls.raw("read_lanes", [cursor, page])
            parts.append(reply[1])
            cursor = self.calls.unpack(reply, tell=False)[1][0]
            if cursor == "0":
                return parts
