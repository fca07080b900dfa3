"""The store: every change of the data is one script, every read one command. Source of the scripts: lua/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio.connection import AbstractConnection

from empq.errors import StartRefused, Unavailable
from empq.settings import Settings, without_password
from empq.store import record, scripts
from empq.store.calls import FOREIGN, MOST_ITEMS, Batch, Reply, ScriptCalls, Tick
from empq.store.connection import ask, check_server, connection_factory, parse_info, refusal
from empq.store.dataset import Dataset, open_dataset, reread
from empq.store.durability import Barrier, Plan, resolve
from empq.store.keys import key
from empq.store.round_trips import RoundTrips


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
        args = [[job for job, _ in items], list(shapes.items()), 1, "", "", [], 0]
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
                f"cannot reach Redis at {without_password(url)}: {str(error).rstrip('.')}. Start one (`redis-server`), name it with --redis, or use `empq up`"
            ) from None
        try:
            dataset = await open_dataset(self.calls, self._settings, expected)
            self.calls.dataset_id = dataset.id.encode()
            await self._open_barrier()
        except BaseException:
            await self.close()
            raise
        return dataset

    async def _open_barrier(self) -> None:
        if self.durability.wait:
            self.barrier = Barrier(RoundTrips(self.make_connection, self._prepare), self.durability)
            self.barrier.calls.dataset_id = self.calls.dataset_id
            await self.barrier.open()
            self.calls.kept = self.barrier.kept

    async def reread_dataset(self) -> Dataset:
        """The settings kept with the data, after they were changed elsewhere."""
        return await reread(self.calls, self._settings)

    async def customers(self, names: Sequence[str]) -> list[record.CustomerRecord]:
        """Records by name; defaults where there is none."""
        if not names:
            return []
        packed = await self.command("MGET", *(key("customer", name) for name in names))
        return [record.decode_customer(one) if one else record.CustomerRecord() for one in packed]

    async def pauses(self) -> dict[str, bytes]:
        """Pauses as JSON, by id."""
        rows = await self.command("HGETALL", key("pauses"))
        return {rows[i].decode(): rows[i + 1] for i in range(0, len(rows), 2)}

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
