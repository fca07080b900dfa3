"""SIGTERM of a hub: everybody is told, it ends in time with status 0, and nothing that was answered is lost (R29)."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable

import pytest

from tests.support.live import MakesHub
from tests.support.processes import KEY, Hub
from tests.support.scene import Scene
from tests.support.waiting import eventually

STOP_SECONDS = 15


def keep_submitting(hub: Hub, scene: Scene, answered: list[str]) -> Callable[[], None]:
    """A client on one kept-alive connection, until the connection ends; gives its join."""

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            while True:
                headers = {"Authorization": f"Bearer {KEY}"}
                connection.request("POST", "/api/jobs", scene.raw_body(b"1"), headers)
                response = connection.getresponse()
                body = response.read()
                if response.status == 201:
                    answered.append(body.partition(b'"id":"')[2].partition(b'"')[0].decode())

    client = threading.Thread(target=work)
    client.start()
    return client.join


@pytest.mark.parametrize("hubs", ["1", "2"])
def test_sigterm_tells_all_and_loses_nothing(make_hub: MakesHub, hubs: str) -> None:
    hub = make_hub("--hubs", hubs, EMPQ_LEASE_SECONDS="60")
    scene, flood = Scene(hub), Scene(hub)
    held_by = scene.worker()
    job_id = scene.submit()
    held_by.take(job_id)
    waiting = [scene.worker().begin_claim() for _ in range(3)]
    workers = [scene.worker_socket() for _ in range(3)]
    for worker in workers:
        worker.send("claim_job")
    clients = [scene.client() for _ in range(3)]
    for client in clients:
        client.ask("subscribe_job", "job_notifications_subscribed", job_id=job_id)
    answered: list[str] = []
    joins = [keep_submitting(hub, flood, answered) for _ in range(4)]
    eventually(lambda: len(answered) > 20, "submissions flow")

    with scene.http.events(job_id) as stream:
        next(stream)
        hub.process.terminate()
        for socket in (*workers, *clients):
            assert socket.closed_with() == 1012
            assert "server_disconnect" in [message["type"] for message in socket.unread]
        with contextlib.suppress(http.client.HTTPException, OSError):
            list(stream)
    for claim in waiting:
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = claim.answer()
            assert answer.status == 503 or answer.json == {"jobs": []}
    assert hub.ended(STOP_SECONDS) == 0
    for join in joins:
        join()
    assert "Traceback" not in hub.text

    hub.start()
    listed: list[str] = []
    cursor = ""
    while cursor is not None:
        query = f"customer_id={flood.customer}&limit=1000"
        page = hub.http.get(f"/api/jobs?{query}{cursor and f'&cursor={cursor}'}")
        listed += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert set(answered) <= set(listed)
    assert len(listed) - len(answered) <= len(joins)  # at most the ones in flight
    assert scene.job(job_id)["status"] == "assigned"
    scene.close()
