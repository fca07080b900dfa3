"""Idle end to end: REST submit to the result at a subscribed client, beside bare round trips of the same run."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from bench.rig import Rig, job_body, percentile, spread
from tests.support.processes import KEY
from tests.support.sockets import Socket

SAMPLES = 300


def answer_at_once(worker: Socket, stop: threading.Event) -> None:
    """A worker that completes each job as soon as it has it."""
    while not stop.is_set():
        worker.send("claim_job", wait_ms=500)
        frame = worker.frame()
        for message in frame if isinstance(frame, list) else [frame]:
            if message["type"] == "job_assigned":
                job = message["assignment"]
                worker.send(
                    "complete_job",
                    job_id=job["job_id"],
                    attempt=job["attempt"],
                    result={"ok": True},
                )
                worker.frame()


def test_submit_to_result_at_a_subscriber(
    rig: Rig, benchmark: Any, rounds: int, figures: list[tuple[str, str]]
) -> None:
    link = http.client.HTTPConnection("127.0.0.1", rig.hub.port)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    stop, body = threading.Event(), job_body("idle")
    p50, p99, bare50, bare99 = [], [], [], []

    def ask(method: str, path: str, data: bytes | None = None) -> bytes:
        link.request(method, path, data, headers)
        return link.getresponse().read()

    def one_round() -> None:
        whole, bare = [], []
        for _ in range(SAMPLES):
            begun = time.perf_counter()
            ask("GET", "/livez")
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            job_id = json.loads(ask("POST", "/api/jobs", body))["id"]
            client.expect("job_completed", job_id=job_id)
            whole.append(time.perf_counter() - begun)
            client.unread.clear()
        p50.append(1e3 * percentile(whole, 0.5))
        p99.append(1e3 * percentile(whole, 0.99))
        bare50.append(1e3 * percentile(bare, 0.5))
        bare99.append(1e3 * percentile(bare, 0.99))

    with rig.hub.socket("/ws/worker") as worker, rig.hub.socket("/ws/client") as client:
        capabilities = {"services": [{"name": "idle", "models": "all"}]}
        worker.ask(
            "register_worker",
            "worker_registered",
            worker_id="idle",
            capabilities=capabilities,
            protocol=1,
        )
        client.ask(
            "subscribe_job_notifications",
            "job_notifications_subscribed",
            filters={"status": ["completed"]},
        )
        thread = threading.Thread(target=answer_at_once, args=(worker, stop))
        thread.start()
        benchmark.pedantic(one_round, rounds=rounds)
        stop.set()
        thread.join()
    link.close()
    figures.append(
        (
            "idle: submit to result, p50",
            spread(p50, "ms", 2) + f"; bare round trip {spread(bare50, 'ms', 2)}",
        )
    )
    figures.append(
        (
            "idle: submit to result, p99",
            spread(p99, "ms", 2) + f"; bare round trip {spread(bare99, 'ms', 2)}",
        )
    )
    assert len(p50) == rounds
