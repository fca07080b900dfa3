"""Load for a hub on this machine: people who submit and poll, workers over HTTP who claim and complete.

    EMPQ_ADMIN_KEY=… locust -f loadtests/locustfile.py --host http://127.0.0.1:8000

`make loadtest` runs it for half a minute against an `empq up` of its own. Any address but loopback is refused.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, between, constant, events, task
from locust.env import Environment
from locust.exception import StopUser

from empq.settings import LOOPBACK

SERVICE = "loadtest"
ENDED = frozenset({"completed", "failed", "timeout", "cancelled"})
POLL_SECONDS = 0.1
CLAIM_WAIT_MS = 2_000
MAX_JOBS = 8
END_TO_END = "submit to result"


@events.init.add_listener
def refuse_other_machines(environment: Environment, **_: Any) -> None:
    """Load is for one's own machine."""
    host = environment.host or ""
    if urlsplit(host).hostname not in LOOPBACK:
        raise SystemExit(
            f"--host {host or '(none)'}: only a hub on this machine, such as http://127.0.0.1:8000"
        )


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Exit status 1 where a call failed or no job came through."""
    done = environment.stats.get(END_TO_END, "JOB").num_requests
    failed = environment.stats.total.num_failures
    logging.getLogger(__name__).info("%s jobs from submit to result, %s failures", done, failed)
    environment.process_exit_code = 0 if done and not failed else 1


class HubUser(FastHttpUser):
    """One who has the key."""

    abstract = True
    network_timeout = 30.0

    def on_start(self) -> None:
        key = os.environ.get("EMPQ_ADMIN_KEY")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    @contextmanager
    def call(self, method: str, path: str, name: str, **arguments: Any) -> Iterator[Any]:
        with self.client.request(
            method, path, name=name, headers=self.headers, catch_response=True, **arguments
        ) as response:
            yield response


class Submitter(HubUser):
    """Submits a job, polls until it has ended, reads its result."""

    weight = 3
    wait_time = between(0.05, 0.2)

    @task
    def run_a_job(self) -> None:
        began = time.perf_counter()
        payload = {"number": uuid.uuid4().hex}
        body = {"type": SERVICE, "payload": payload, "requirements": {"service_type": SERVICE}}
        with self.call("POST", "/api/jobs", "submit", json=body) as response:
            if response.status_code != 201:
                response.failure(f"{response.status_code} {response.text}")
                return
            job_id = response.json()["id"]
        job = self.ended_job(job_id)
        trouble = None
        if job["status"] != "completed" or job["result"] != {"echo": payload["number"]}:
            trouble = AssertionError(f"job {job_id} ended as {job['status']} with {job['result']}")
        self.environment.events.request.fire(
            request_type="JOB",
            name=END_TO_END,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=trouble,
            context={},
        )

    def ended_job(self, job_id: str) -> dict[str, Any]:
        while True:
            with self.call("GET", f"/api/jobs/{job_id}", "poll") as response:
                if response.status_code != 200:
                    response.failure(f"{response.status_code} {response.text}")
                    raise StopUser
                job = response.json()
            if job["status"] in ENDED:
                return job
            gevent.sleep(POLL_SECONDS)


class HttpWorker(HubUser):
    """Registers, then claims and completes, with heartbeats in between."""

    weight = 1
    wait_time = constant(0)

    def on_start(self) -> None:
        super().on_start()
        self.worker_id = f"locust-{uuid.uuid4().hex[:12]}"
        self.register()

    def on_stop(self) -> None:
        with self.call("DELETE", f"/api/workers/{self.worker_id}", "worker leaves"):
            pass

    def register(self) -> None:
        body = {
            "worker_id": self.worker_id,
            "capabilities": {
                "services": [{"name": SERVICE, "models": "all"}],
                "job_types": "all",
                "performance": {"concurrent_jobs": MAX_JOBS},
            },
        }
        with self.call("POST", "/api/workers", "register", json=body) as response:
            if response.status_code != 201:
                response.failure(f"{response.status_code} {response.text}")
                raise StopUser
            self.beat_seconds = response.json()["heartbeat_ms"] / 1000
        self.beat_due = time.monotonic() + self.beat_seconds

    @task
    def claim_and_complete(self) -> None:
        path = f"/api/workers/{self.worker_id}/claim?wait_ms={CLAIM_WAIT_MS}&max_jobs={MAX_JOBS}"
        with self.call("POST", path, "claim", json={"claim_id": uuid.uuid4().hex}) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {response.text}")
                raise StopUser
            assignments = response.json()["jobs"]
        for assignment in assignments:
            self.complete(assignment)
        if time.monotonic() >= self.beat_due:
            self.heartbeat()

    def complete(self, assignment: dict[str, Any]) -> None:
        body = {
            "worker_id": self.worker_id,
            "attempt": assignment["attempt"],
            "lease": assignment["lease"],
            "result": {"echo": assignment["payload"]["number"]},
        }
        path = f"/api/jobs/{assignment['job_id']}/complete"
        with self.call("POST", path, "complete", json=body) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {response.text}")

    def heartbeat(self) -> None:
        body = {"status": "idle", "current_jobs": []}
        path = f"/api/workers/{self.worker_id}/heartbeat"
        with self.call("POST", path, "heartbeat", json=body) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code} {response.text}")
        self.beat_due = time.monotonic() + self.beat_seconds
