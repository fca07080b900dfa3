"""Durability modes: what an answer says where a replica, or the disk, has not confirmed the change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.faults.power_cuts import cuts
from tests.faults.test_start_refused import refused, sentence
from tests.support.live import MakesHub
from tests.support.processes import KEY, free_port
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


class Pair:
    """A server and its replica, which can be taken away and brought back."""

    def __init__(self) -> None:
        port = str(free_port())
        self.primary = RedisServer("--port", port).start()
        self.replica = RedisServer("--replicaof", "127.0.0.1", port)

    def connect(self) -> None:
        self.replica.start()
        with redis.Redis(unix_socket_path=str(self.primary.socket)) as link:
            eventually(
                lambda: (
                    "state=online" in str(link.execute_command("INFO", "replication"))
                    or link.info("replication").get("slave0", {}).get("state") == "online"
                ),
                "the replica is online",
            )

    def stop(self) -> None:
        self.replica.stop()
        self.primary.stop()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    made.connect()
    yield made
    made.stop()


@pytest.fixture
def own_redis(pair: Pair) -> RedisServer:
    return pair.primary


def test_safe_is_the_default_with_a_replica_and_an_answer_that_missed_it_says_so(
    make_hub: MakesHub, pair: Pair
) -> None:
    hub = make_hub(EMPQ_LEASE_SECONDS="60")
    scene = Scene(hub)
    stored = hub.http("POST", "/api/jobs", scene.body())
    assert (stored.status, "durable" in stored.json) == (201, False)
    worker = scene.worker()
    job = worker.take(stored.json["id"])

    pair.replica.kill()
    late = hub.http("POST", "/api/jobs", scene.body())
    assert (late.status, late.json["durable"]) == (201, False)
    batch = hub.http("POST", "/api/jobs/batch", {"jobs": [scene.body(), scene.body()]})
    assert [one["durable"] for one in batch.json["jobs"]] == [False, False]
    answer = worker.say("complete", job, result={"n": 1})
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "retry-after" in answer.headers
    cancelled = hub.http("POST", f"/api/jobs/{late.json['id']}/cancel", {})
    assert (cancelled.status, cancelled.code) == (503, "unavailable")

    pair.connect()
    eventually(
        lambda: worker.say("complete", job, result={"n": 1}).status == 200,
        "the repeat is confirmed",
    )
    ended = scene.ended(job["job_id"])
    assert (ended["status"], ended["result"], ended["attempt"]) == ("completed", {"n": 1}, 1)
    assert hub.http("POST", f"/api/jobs/{late.json['id']}/cancel", {}).status == 200
    assert "durable" not in hub.http("POST", "/api/jobs", scene.body()).json
    scene.close()


def test_fast_waits_for_nobody(make_hub: MakesHub, pair: Pair) -> None:
    hub = make_hub("--durability", "fast")
    pair.replica.kill()
    assert "durable" not in hub.http("POST", "/api/jobs", Scene(hub).body()).json


def test_strict_is_refused_where_redis_answers_before_it_syncs(tmp_path: Path) -> None:
    server = RedisServer().start()
    stated = ("--redis", server.url, "--port", str(free_port()), "--durability", "strict")
    status, output = refused(tmp_path, *stated, EMPQ_ADMIN_KEY=KEY)
    server.stop()
    assert status == 2
    assert "appendfsync always" in sentence(output)


def test_a_power_cut_loses_nothing_under_strict_and_only_what_was_not_synced_under_fast() -> None:
    strict = asyncio.run(cuts("strict", 10))
    assert sum(cut.acknowledged for cut in strict) == 640
    assert sum(cut.lost for cut in strict) == 0
    fast = asyncio.run(cuts("fast", 2))
    assert all(cut.acknowledged > cut.lost for cut in fast)
    assert sum(cut.lost_though_synced for cut in fast) == 0
