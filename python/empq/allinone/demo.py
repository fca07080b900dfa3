"""`make demo`: Redis, a hub, five unequal workers and about 60 jobs, watched live; leaves no process behind."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from empq.allinone.answers import ENDED, Artifacts, Batch, Explanation, Job, Page, Submitted, read
from empq.allinone.children import Child, Family, first_of
from empq.allinone.demo_display import Display, display, rejections, summary
from empq.allinone.demo_fleet import Machine, machines
from empq.allinone.demo_jobs import GRAPH_KIND, IMPOSSIBLE_KIND, impossible_body, job_bodies
from empq.allinone.embedded_redis import EmbeddedRedis
from empq.allinone.rest_calls import Hub, HubRefused, HubUnreachable, segment
from empq.allinone.standard_streams import (
    forget_closed_output,
    keep_standard_descriptors,
    tolerate_any_encoding,
)
from empq.allinone.up import address, ended_by_sigterm, free_port, ready, registered
from empq.errors import StartRefused
from empq.settings_sources import environment

OUTPUT = Path("demo-output")
READY_SECONDS, FLEET_SECONDS, JOBS_SECONDS = 60.0, 30.0, 120.0
POLL_SECONDS = 0.15
END_SECONDS = 5.0
INTERRUPTED = 130


class DemoFailed(Exception):
    """Something did not go as it should; the text says what."""


def main() -> None:
    """The command line of the demo."""
    parser = argparse.ArgumentParser(prog="python -m empq.allinone.demo", description=__doc__)
    parser.add_argument("--plain", action="store_true", help="plain lines, also on a terminal")
    plain = parser.parse_args().plain
    keep_standard_descriptors()
    tolerate_any_encoding()
    try:
        with tempfile.TemporaryDirectory(prefix="empq-demo-") as folder:
            code = _run(Path(folder), plain)
    except BrokenPipeError:
        forget_closed_output()
        code = 1
    except (StartRefused, DemoFailed, HubRefused, HubUnreachable, OSError) as error:
        print(f"the demo failed: {error}", file=sys.stderr, flush=True)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _run(folder: Path, plain: bool) -> int:
    with ended_by_sigterm(), EmbeddedRedis(folder / "redis") as redis:
        return asyncio.run(_Demo(folder, redis, plain).run())
    return INTERRUPTED


class _Demo:
    """One run of the demo."""

    def __init__(self, folder: Path, redis: EmbeddedRedis, plain: bool) -> None:
        port, comfyui_port = free_port(), free_port()
        self.address = address("127.0.0.1", port)
        self.folder, self.redis = folder, redis
        self.kinds: dict[str, str] = {}
        self.machines = machines(address("127.0.0.1", comfyui_port))
        self.display: Display = display(self.machines, self.kinds, plain)
        self.family = Family(folder / "logs", _environment(), redis.users_lock)
        # An empq.toml of the user's is for their hub.
        config = folder / "empq.toml"
        config.touch()
        artifacts = (folder / "artifacts").as_uri()
        self.hub_process = self.family.child(
            "hub",
            *("hub", "--redis", redis.url, "--port", str(port), "--artifacts", artifacts),
            *("--config", str(config), "--no-auth"),
        )
        self.comfyui = self.family.child("comfyui", "sim", "comfyui", "--port", str(comfyui_port))
        self.workers = [self._worker(machine) for machine in self.machines]
        self.hub = Hub(self.address, None)

    async def run(self) -> int:
        """Runs until all is shown or a signal comes; always stops what it started."""
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        work = asyncio.create_task(self._show())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return INTERRUPTED
            work.result()
            return 0
        except (DemoFailed, HubRefused, HubUnreachable) as error:
            raise DemoFailed(f"{error}\nthe logs of its processes: {self._kept_logs()}") from None
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            self.display.close()
            await self._stop()

    async def _show(self) -> None:
        await self._start()
        await self._submit()
        jobs = await self._watch()
        self.display.close()
        summary(jobs, self.kinds)
        await self._explain_the_impossible()
        await self._save_pictures(jobs)

    async def _start(self) -> None:
        self.display.say("starting Redis, a hub and five unequal workers …")
        await self.hub_process.start()
        await self.comfyui.start()
        came = await first_of(READY_SECONDS, ready(self.address), self.hub_process.ended())
        if came != 0:
            raise DemoFailed(f"the hub did not start: {self.hub_process.last_words()}")
        for worker in self.workers:
            await worker.start()
        ended = (child.ended() for child in (*self.workers, self.comfyui))
        names = {machine.worker_id for machine in self.machines}
        if await first_of(FLEET_SECONDS, registered(self.hub, names), *ended) != 0:
            raise DemoFailed(f"not all workers came up: {self._last_words()}")

    async def _submit(self) -> None:
        (first_kind, first), *others = job_bodies()
        submitted = read(await self._post("/api/jobs", first), Submitted)
        self.kinds[submitted.id] = first_kind
        impossible = read(await self._post("/api/jobs", impossible_body()), Submitted)
        batch = read(
            await self._post("/api/jobs/batch", {"jobs": [body for _, body in others]}), Batch
        )
        for job, (kind, _) in zip(batch.jobs, others, strict=True):
            self.kinds[job.id] = kind
        self.kinds[impossible.id] = IMPOSSIBLE_KIND
        self.display.say(f"submitted {len(self.kinds)} jobs of three customers")

    async def _watch(self) -> list[Job]:
        until = asyncio.get_running_loop().time() + JOBS_SECONDS
        while True:
            jobs = read(await self._get("/api/jobs", {"limit": 1000}), Page).jobs
            self.display.show(jobs)
            left = [
                job
                for job in jobs
                if job.status not in ENDED and self.kinds.get(job.id) != IMPOSSIBLE_KIND
            ]
            if not left:
                self._require_completed(jobs)
                return jobs
            if asyncio.get_running_loop().time() > until:
                raise DemoFailed(
                    f"{len(left)} jobs did not end in {JOBS_SECONDS:.0f} s, "
                    f"such as {self._named(left[0])}; {self._last_words()}"
                )
            await asyncio.sleep(POLL_SECONDS)

    def _require_completed(self, jobs: Sequence[Job]) -> None:
        if len(jobs) != len(self.kinds):
            raise DemoFailed(f"{len(self.kinds)} jobs were submitted, the hub lists {len(jobs)}")
        for job in jobs:
            if job.status in ENDED and job.status != "completed":
                raise DemoFailed(f"{self._named(job)} ended as {job.status}: {job.error}")

    async def _explain_the_impossible(self) -> None:
        job_id = next(key for key, kind in self.kinds.items() if kind == IMPOSSIBLE_KIND)
        explained = read(await self._get(f"/api/jobs/{segment(job_id)}/explain"), Explanation)
        self.display.say(f"\nno worker can take the job that {IMPOSSIBLE_KIND}:")
        self.display.say(f"  {explained.verdict}: {explained.summary}")
        rejections(explained.workers)
        if explained.nearest_miss is not None:
            self.display.say(f"  nearest miss: {explained.nearest_miss}")
        if explained.verdict != "never":
            raise DemoFailed(f"explain calls a job that nobody can take {explained.verdict!r}")
        await self._post(f"/api/jobs/{segment(job_id)}/cancel", {"reason": "only for show"})

    async def _save_pictures(self, jobs: Sequence[Job]) -> None:
        saved: list[Path] = []
        for job in jobs:
            if self.kinds.get(job.id) != GRAPH_KIND:
                continue
            base = f"/api/jobs/{segment(job.id)}/artifacts"
            for artifact in read(await self._get(base), Artifacts).artifacts:
                content = await self._get(f"{base}/{segment(artifact.name)}")
                saved.append(_saved(f"{job.id[-12:]}-{Path(artifact.name).name}", content))
        if not saved:
            raise DemoFailed(f"the jobs of kind {GRAPH_KIND!r} left no picture")
        self.display.say(f"\n{len(saved)} pictures of the ComfyUI graphs: {saved[0]}, …")

    async def _stop(self) -> None:
        self.hub.close()
        await self.family.stop([*self.workers, self.comfyui], END_SECONDS)
        await self.family.stop([self.hub_process], END_SECONDS)
        self.family.close()
        # Here, and not only on the way out: a second Ctrl-C must not leave it running.
        await asyncio.to_thread(self.redis.stop)

    def _worker(self, machine: Machine) -> Child:
        file = self.folder / f"{machine.worker_id}.toml"
        file.write_text(machine.toml)
        return self.family.child(
            machine.worker_id,
            *("worker", str(file), "--hub", self.address, "--grace", "0"),
        )

    def _kept_logs(self) -> Path:
        return Path(shutil.copytree(self.family.logs, OUTPUT / "logs", dirs_exist_ok=True))

    def _named(self, job: Job) -> str:
        return f"{job.id} ({self.kinds.get(job.id, job.type)}, {job.status})"

    def _last_words(self) -> str:
        """What ended children said last, else what the hub did."""
        ended = [
            child
            for child in (*self.workers, self.comfyui, self.hub_process)
            if child.process is not None and child.process.returncode is not None
        ]
        return "; ".join(
            f"{child.name}: {child.last_words()}" for child in ended or [self.hub_process]
        )

    async def _get(self, path: str, query: Mapping[str, object] | None = None) -> bytes:
        return await asyncio.to_thread(self.hub.get, path, query)

    async def _post(self, path: str, body: object) -> bytes:
        return await asyncio.to_thread(self.hub.post, path, msgspec.json.encode(body))


def _saved(name: str, content: bytes) -> Path:
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / name
    path.write_bytes(content)
    return path


def _environment() -> dict[str, str]:
    """The user's, without settings of a hub or worker of theirs: the demo is the same everywhere."""
    kept = {"EMPQ_MATCHER"}
    return {
        name: value
        for name, value in environment().items()
        if not name.startswith("EMPQ_") or name in kept
    }


if __name__ == "__main__":
    main()
