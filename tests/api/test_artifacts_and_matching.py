"""Artifacts over REST, byte for byte and in part; why a job waits, and who could take what."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.support.http_calls import Answer
from tests.support.scene import HandWorker, Scene

BYTES = bytes(range(256)) * 300
DIGEST = hashlib.sha256(BYTES).hexdigest()


def upload(scene: Scene, worker: HandWorker, held: Any, name: str, data: bytes) -> Answer:
    query = f"worker_id={worker.id}&attempt={held['attempt']}&lease={held['lease']}"
    path = f"/api/jobs/{held['job_id']}/artifacts/{name}?{query}"
    return scene.http("PUT", path, data, {"Content-Type": "image/png"})


def test_an_artifact_comes_back_whole_and_in_part(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    held = worker.take(job_id)

    stored = upload(scene, worker, held, "image%201.png", BYTES)
    empty = upload(scene, worker, held, "empty", b"")
    assert scene.http.get(f"/api/jobs/{job_id}/artifacts") == {"artifacts": []}
    worker.does("complete", held, artifacts=["image 1.png", "empty"])

    url = f"/api/jobs/{job_id}/artifacts/image%201.png"
    facts = {
        "name": "image 1.png", "size_bytes": len(BYTES), "sha256": DIGEST, "content_type": "image/png", "url": url,
    }  # fmt: skip
    assert (stored.status, stored.json) == (201, facts)
    assert empty.json["sha256"] == hashlib.sha256(b"").hexdigest()
    listed = scene.http.get(f"/api/jobs/{job_id}/artifacts")["artifacts"]
    assert sorted(one["name"] for one in listed) == ["empty", "image 1.png"]
    assert scene.job(job_id)["artifacts"] == listed

    whole = scene.http("GET", url)
    assert (whole.status, whole.raw) == (200, BYTES)
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["accept-ranges"] == "bytes"
    etag = whole.headers["etag"]
    for asked, status, part in (
        ("bytes=0-9", 206, BYTES[:10]),
        ("bytes=76700-", 206, BYTES[76700:]),
        ("bytes=-5", 206, BYTES[-5:]),
        ("bytes=10-10", 206, BYTES[10:11]),
        ("bytes=5-999999", 206, BYTES[5:]),
        ("bytes=76800-", 416, b""),
        ("bytes=nonsense", 200, BYTES),
    ):
        answer = scene.http("GET", url, None, {"Range": asked})
        assert (answer.status, answer.raw) == (status, part), asked
    ranged = scene.http("GET", url, None, {"Range": "bytes=0-9"})
    assert ranged.headers["content-range"] == f"bytes 0-9/{len(BYTES)}"
    assert scene.http("GET", url, None, {"If-None-Match": etag}).status == 304
    changed = scene.http("GET", url, None, {"Range": "bytes=0-9", "If-Range": '"other"'})
    assert changed.status == 200
    assert scene.http("GET", f"/api/jobs/{job_id}/artifacts/empty").raw == b""
    assert scene.http("GET", f"/api/jobs/{job_id}/artifacts/none").code == "not_found"


def test_only_the_accepted_attempt_s_artifacts_are_the_job_s(scene: Scene) -> None:
    one, two = scene.worker(), scene.worker()
    job_id = scene.submit()
    first = one.take(job_id)
    upload(scene, one, first, "a.png", b"first")
    upload(scene, one, first, "only-first.png", b"first")
    one.does("release", first)
    second = two.take(job_id)

    stale = upload(scene, one, first, "late.png", b"late")
    upload(scene, two, second, "a.png", b"second")
    two.does("complete", second)

    assert stale.code == "stale_attempt"
    [artifact] = scene.job(job_id)["artifacts"]
    assert artifact["name"] == "a.png"
    assert scene.http("GET", artifact["url"]).raw == b"second"
    late = upload(scene, two, second, "b.png", b"late")
    assert (late.status, late.code) == (409, "stale_attempt")


def test_names_cannot_leave_the_folder(scene: Scene) -> None:
    worker = scene.worker()
    held = worker.take(scene.submit())
    for name in ("..", ".", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b", "x" * 201):
        answer = upload(scene, worker, held, name, b"x")
        assert answer.status in (201, 404, 422), (name, answer)
        if answer.status == 201:
            assert scene.http("GET", f"/api/jobs/{held['job_id']}/artifacts/{name}").status == 404
    worker.does("complete", held)
    assert len(scene.job(held["job_id"])["artifacts"]) <= 1


def test_a_deleted_job_s_artifacts_are_gone(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    held = worker.take(job_id)
    upload(scene, worker, held, "a.png", b"x")
    worker.does("complete", held)
    scene.http("DELETE", f"/api/jobs/{job_id}")

    assert scene.http("GET", f"/api/jobs/{job_id}/artifacts/a.png").status == 404
    assert not list((scene.hub.folder / "artifacts").rglob(f"*{job_id}*"))


def test_explain_tells_why_a_job_waits_and_what_would_help(scene: Scene) -> None:
    small = scene.worker(hardware={"gpu_memory_gb": 12})
    large = scene.worker(hardware={"gpu_memory_gb": 24})
    needs = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 80}}
    job_id = scene.submit(requirements=needs)

    answer = scene.http.get(f"/api/jobs/{job_id}/explain")

    own = {one["worker_id"]: one for one in answer["workers"]}
    assert (answer["verdict"], answer["eligible"]) == ("never", 0)
    assert answer["total"] == len(answer["workers"])
    assert answer["summary"]
    for worker, offered in ((small, 12), (large, 24)):
        assert own[worker.id]["rejections"] == [
            {"rule": "hardware.gpu_memory_gb", "required": 80, "offered": offered}
        ]
        assert (own[worker.id]["eligible"], own[worker.id]["score"]) == (False, None)
    assert answer["nearest_miss"]["change"] == {
        "path": "hardware.gpu_memory_gb",
        "from": 80,
        "to": 24,
    }
    assert answer["nearest_miss"]["opens"] == [large.id]
    limited = scene.http.get(f"/api/jobs/{job_id}/explain?limit=1")
    assert len(limited["workers"]) == 1
    assert (limited["total"], limited["verdict"]) == (answer["total"], "never")


def test_explain_is_for_waiting_jobs(scene: Scene) -> None:
    worker = scene.worker()
    job_id = scene.submit()
    now = scene.http.get(f"/api/jobs/{job_id}/explain")
    held = worker.take(job_id)
    other = scene.submit()
    busy = scene.http.get(f"/api/jobs/{other}/explain")

    assert (now["verdict"], now["eligible"]) == ("now", 1)
    [own] = [one for one in busy["workers"] if one["worker_id"] == worker.id]
    assert busy["verdict"] == "busy"
    assert [one["rule"] for one in own["rejections"]] == ["slots"]
    assert scene.http("GET", f"/api/jobs/{job_id}/explain").code == "wrong_state"
    worker.does("complete", held)
    assert scene.http("GET", f"/api/jobs/{job_id}/explain").code == "wrong_state"
    assert scene.http("GET", "/api/jobs/none/explain").code == "not_found"


def test_match_stores_nothing_and_asks_no_type(scene: Scene) -> None:
    worker = scene.worker(job_types=["known"])
    needs = {"service_type": scene.service}

    def own(**body: Any) -> list[str]:
        answer = scene.http("POST", "/api/match", {"requirements": needs, **body}).json
        [one] = [one for one in answer["workers"] if one["worker_id"] == worker.id]
        return [rejection["rule"] for rejection in one["rejections"]]

    assert own() == []
    assert own(type="known") == []
    assert own(type="other") == ["job_types"]
    refused = scene.http("POST", "/api/match", {"requirements": {"servise": 1}})
    assert (refused.status, refused.pointers) == (422, ["/requirements/servise"])
    assert scene.http.get(f"/api/jobs?customer_id={scene.customer}")["jobs"] == []


def test_a_patched_capability_counts_at_once(scene: Scene) -> None:
    worker = scene.worker(hardware={"gpu_memory_gb": 8})
    needs = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 16}}
    job_id = scene.submit(requirements=needs)
    waiting = worker.begin_claim()

    changed = scene.http(
        "PATCH",
        f"/api/workers/{worker.id}",
        {"capability_changes": {"hardware": {"gpu_memory_gb": 16}}},
    )

    assert changed.json["capabilities"]["hardware"] == {"gpu_memory_gb": 16}
    assert [job["job_id"] for job in waiting.answer().json["jobs"]] == [job_id]
    off = {"services_by_name": {scene.service: {"healthy": False}}}
    scene.http("PATCH", f"/api/workers/{worker.id}", {"capability_changes": off})
    other = scene.submit()
    rules = scene.http.get(f"/api/jobs/{other}/explain")
    [own] = [one for one in rules["workers"] if one["worker_id"] == worker.id]
    assert "service_health" in [one["rule"] for one in own["rejections"]]
