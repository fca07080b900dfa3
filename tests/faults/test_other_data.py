"""Redis emptied, replaced or gone back in time: never "no jobs", never another data set's, and an alarm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.faults.test_start_refused import refused, sentence
from tests.support.http_calls import Answer
from tests.support.live import MakesHub
from tests.support.power_cut import PowerCutServer
from tests.support.processes import KEY, Hub, free_port
from tests.support.redis_server import RedisServer
from tests.support.scene import Scene
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def own_redis() -> Iterator[PowerCutServer]:
    server = PowerCutServer()
    server.start()
    yield server
    server.stop()


def flush(server: RedisServer) -> None:
    with redis.Redis(unix_socket_path=str(server.socket)) as link:
        link.flushall()


def says_other_data(hub: Hub, job_id: str, scene: Scene) -> None:
    """Every call answers that the data set is another one; /readyz tells it too."""
    eventually(lambda: hub.http("GET", "/readyz").json["data"] is False, "/readyz says so")
    calls: list[Answer] = [
        hub.http("GET", "/api/jobs"),
        hub.http("GET", f"/api/jobs/{job_id}"),
        hub.http("POST", "/api/jobs", scene.body()),
        hub.http("GET", "/api/stats"),
        hub.http("POST", "/api/workers", {"worker_id": "x", "capabilities": {"services": []}}),
    ]
    for answer in calls:
        assert (answer.status, answer.code) == (503, "unavailable"), answer
        assert "emptied or replaced" in answer.json["detail"]
    assert hub.http("GET", "/livez").status == 200


def test_emptied_under_a_running_hub(make_hub: MakesHub, own_redis: RedisServer) -> None:
    hub = make_hub()
    scene = Scene(hub)
    job_id = scene.submit()
    flush(own_redis)
    says_other_data(hub, job_id, scene)
    assert hub.text.count("Redis does not hold") <= 2  # said, not shouted at every pass
    hub.stop()

    hub.start()  # without --data a hub has no memory: it begins anew
    assert hub.http.get("/api/jobs")["jobs"] == []


def test_replaced_by_another_data_set(make_hub: MakesHub, own_redis: RedisServer) -> None:
    hub = make_hub()
    scene = Scene(hub)
    job_id = scene.submit()
    flush(own_redis)
    other = make_hub(name="other")
    assert Scene(other).submit()
    says_other_data(hub, job_id, scene)
    assert len(other.http.get("/api/jobs")["jobs"]) == 1


def test_the_data_put_back_is_served_again_without_a_restart(
    make_hub: MakesHub, own_redis: RedisServer
) -> None:
    hub = make_hub()
    scene = Scene(hub)
    job_id = scene.submit()
    kept = own_redis.folder / "appendonlydir"
    own_redis.kill()
    shutil.move(kept, own_redis.folder / "aside")
    own_redis.start()
    says_other_data(hub, job_id, scene)
    own_redis.kill()
    shutil.rmtree(kept)
    shutil.move(own_redis.folder / "aside", kept)
    own_redis.start()
    hub.until_ready()
    scene.worker().finish(job_id)
    assert scene.ended(job_id)["status"] == "completed"


def test_a_hub_that_remembers_refuses_an_emptied_redis(
    make_hub: MakesHub, own_redis: RedisServer, tmp_path: Path
) -> None:
    folder = tmp_path / "memory"
    hub = make_hub("--data", str(folder))
    eventually(lambda: (folder / "dataset").exists(), "the data set is noted")
    hub.stop()
    flush(own_redis)
    stated = ("--redis", own_redis.url, "--port", str(free_port()), "--data", str(folder))
    status, output = refused(tmp_path, *stated, EMPQ_ADMIN_KEY=KEY)
    assert status == 2
    assert "--accept-dataset" in sentence(output)
    with redis.Redis(unix_socket_path=str(own_redis.socket)) as link:
        assert link.dbsize() == 0  # nothing was begun

    hub.arguments.append("--accept-dataset")
    hub.start()
    assert hub.http.get("/api/jobs")["jobs"] == []
    noted = (folder / "dataset").read_text()
    hub.stop()
    hub.arguments.remove("--accept-dataset")
    status, output = refused(tmp_path, *stated, EMPQ_ADMIN_KEY=KEY)
    if (folder / "dataset").read_text() == noted:  # stopped before the new one was noted
        assert "--accept-dataset" in output


def test_a_log_that_went_back_begins_a_new_epoch_at_every_hub(
    make_hub: MakesHub, own_redis: PowerCutServer
) -> None:
    first, second = make_hub(), make_hub(name="second")
    scene = Scene(first)
    early = scene.submit()
    with redis.Redis(unix_socket_path=str(own_redis.socket)) as link:
        link.bgrewriteaof()  # the base file of the rewrite is synced: what stands there survives
        eventually(lambda: not link.info("persistence")["aof_rewrite_in_progress"], "rewritten")
    gone = [scene.submit() for _ in range(20)]
    for hub in (first, second):
        eventually(lambda hub=hub: len(hub.http.get("/api/jobs")["jobs"]) == 21, "all are known")

    own_redis.cut()
    own_redis.start()
    for hub in (first, second):
        hub.until_ready()
        eventually(
            lambda hub=hub: "the index is read anew" in hub.text,
            "each hub reads its index anew",
        )
    left = {job["id"] for job in first.http.get("/api/jobs")["jobs"]}
    assert early in left
    lost = set(gone) - left
    assert lost, "nothing was lost: the cut did not cut"
    assert "came back without what this hub had seen" in first.text + second.text
    late = Scene(second)
    late_id = late.submit()
    late.worker().finish(late_id)
    for job_id in sorted(left):
        scene.worker().finish(job_id)
        assert scene.ended(job_id)["status"] == "completed"
    with redis.Redis(unix_socket_path=str(own_redis.socket)) as link:
        assert link.hget("empq:{p0}:dataset", "epoch") == b"2"
