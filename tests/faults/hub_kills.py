"""Hub kills, counted: `python -m tests.faults.hub_kills --kills 100` prints how many attempts they cost (none)."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import Hub, Worker
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene
from tests.support.waiting import eventually

SLOTS, LEASE_SECONDS = 4, 10


class Kills(NamedTuple):
    """How often a hub was killed, jobs that ran over it, and those of them that took more than one attempt."""

    kills: int
    jobs: int
    again: int
    not_completed: int


def kill_hubs(folder: Path, kills: int) -> Kills:
    """A shipped worker runs jobs all the while; the hub is killed and started under it."""
    redis = RedisServer("--appendfsync", "always").start()
    hub = Hub(redis.url, folder, EMPQ_LEASE_SECONDS=str(LEASE_SECONDS))
    try:
        hub.start()
        scene = Scene(hub)
        worker = Worker(hub, "worker", folder, scene.service, SLOTS)
        worker.start()
        worker.until_online()
        ids: list[str] = []
        for _ in range(kills):
            payload = {"steps": 10, "step_ms": 80}
            ids += scene.batch(*(scene.body(payload=payload) for _ in range(SLOTS)))
            eventually(
                lambda: hub.http.get("/api/stats")["jobs"]["in_progress"] >= 1, "something runs"
            )
            hub.kill()
            hub.start()
        ended = [scene.ended(job_id) for job_id in ids]
        worker.stop()
        return Kills(
            kills,
            len(ended),
            sum(job["attempt"] > 1 for job in ended),
            sum(job["status"] != "completed" for job in ended),
        )
    finally:
        hub.kill()
        redis.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    with tempfile.TemporaryDirectory(prefix="empq-kills-") as folder:
        made = kill_hubs(Path(folder), parser.parse_args().kills)
    print(
        f"hub kills {made.kills}, jobs {made.jobs}, run again {made.again}, not completed {made.not_completed}"
    )
    raise SystemExit(bool(made.again or made.not_completed))


if __name__ == "__main__":
    main()
