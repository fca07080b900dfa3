"""What one test has on a hub that it shares: a customer, a service and a job type of its own, and workers driven by hand."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from tests.support.http_calls import Answer, Http, Pending
from tests.support.processes import Hub
from tests.support.sockets import Socket
from tests.support.waiting import eventually

ENDED = ("completed", "failed", "timeout", "cancelled")


class HandWorker:
    """A worker that does over REST exactly what the test says."""

    def __init__(self, http: Http, worker_id: str, capabilities: dict[str, Any]) -> None:
        self.http, self.id, self.capabilities = http, worker_id, capabilities

    def register(self, **fields: Any) -> Any:
        body = {"worker_id": self.id, "capabilities": self.capabilities, **fields}
        answer = self.http("POST", "/api/workers", body)
        assert answer.status == 201, answer
        return answer.json

    def begin_claim(self, wait_ms: int = 30_000, max_jobs: int = 1, **fields: Any) -> Pending:
        query = f"wait_ms={wait_ms}&max_jobs={max_jobs}"
        return self.http.begin("POST", f"/api/workers/{self.id}/claim?{query}", fields)

    def claim(self, wait_ms: int = 10_000, max_jobs: int = 1, **fields: Any) -> list[Any]:
        answer = self.begin_claim(wait_ms, max_jobs, **fields).answer()
        assert answer.status == 200, answer
        return answer.json["jobs"]

    def take(self, job_id: str | None = None) -> Any:
        """The next job, which must be this one where it is named."""
        jobs = self.claim()
        assert len(jobs) == 1, "nothing came"
        assert job_id in (None, jobs[0]["job_id"])
        return jobs[0]

    def say(self, verb: str, assignment: Any, **fields: Any) -> Answer:
        """accept, progress, complete, fail or release, with the assignment's token."""
        token = {"attempt": assignment["attempt"], "lease": assignment["lease"]}
        body = {"worker_id": self.id, **token, **fields}
        return self.http("POST", f"/api/jobs/{assignment['job_id']}/{verb}", body)

    def does(self, verb: str, assignment: Any, **fields: Any) -> Any:
        answer = self.say(verb, assignment, **fields)
        assert answer.status == 200, answer
        return answer.json

    def finish(self, job_id: str, **fields: Any) -> None:
        """Takes the job and completes it."""
        self.does("complete", self.take(job_id), **fields)

    def heartbeat(self, *assignments: Any) -> Any:
        held = [{"job_id": one["job_id"], "attempt": one["attempt"]} for one in assignments]
        answer = self.http("POST", f"/api/workers/{self.id}/heartbeat", {"current_jobs": held})
        assert answer.status == 200, answer
        return answer.json


class Scene:
    """Names of its own on a hub, and short ways to say the usual."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.http = hub, hub.http
        self.name = f"t{secrets.token_hex(4)}"
        self.customer, self.service, self.type = self.name, f"{self.name}-svc", f"{self.name}-job"
        self._numbers = itertools.count(1)
        self._sockets: list[Socket] = []

    def body(self, **fields: Any) -> dict[str, Any]:
        return {
            "type": self.type,
            "payload": {},
            "customer_id": self.customer,
            "requirements": {"service_type": self.service},
            **fields,
        }

    def raw_body(self, payload: bytes) -> bytes:
        """A body whose payload is these bytes."""
        return (
            b'{"type":"%b","customer_id":"%b","requirements":{"service_type":"%b"},"payload": %b }'
            % (self.type.encode(), self.customer.encode(), self.service.encode(), payload)
        )

    def submit(self, **fields: Any) -> str:
        answer = self.http("POST", "/api/jobs", self.body(**fields))
        assert answer.status == 201, answer
        return answer.json["id"]

    def batch(self, *bodies: dict[str, Any]) -> list[str]:
        answer = self.http("POST", "/api/jobs/batch", {"jobs": list(bodies)})
        assert answer.status == 201, answer
        return [job["id"] for job in answer.json["jobs"]]

    def job(self, job_id: str) -> Any:
        return self.http.get(f"/api/jobs/{job_id}")

    def becomes(self, job_id: str, *states: str) -> Any:
        """The job, once it is in one of these states."""
        return eventually(
            lambda: (job := self.job(job_id))["status"] in states and job, f"{job_id} is {states}"
        )

    def ended(self, job_id: str) -> Any:
        """The job after its end."""
        job = self.http.get(f"/api/jobs/{job_id}/wait?timeout_seconds=50")
        assert job["status"] in ENDED, job
        return job

    def cancel(self, job_id: str) -> None:
        answer = self.http("POST", f"/api/jobs/{job_id}/cancel", {})
        assert answer.status == 200, answer

    def worker(self, slots: int = 1, **capabilities: Any) -> HandWorker:
        """Registered, with this scene's service."""
        stated = {
            "services": [{"name": self.service, "models": "all"}],
            "performance": {"concurrent_jobs": slots},
            **capabilities,
        }
        made = HandWorker(self.http, f"{self.name}-w{next(self._numbers)}", stated)
        made.register()
        return made

    def client(self) -> Socket:
        return self._opened(self.hub.socket("/ws/client"))

    def worker_socket(self, slots: int = 1) -> Socket:
        """A registered worker's socket; its `worker_id` is in the reply that it expects first."""
        socket = self._opened(self.hub.socket("/ws/worker"))
        capabilities = {
            "services": [{"name": self.service, "models": "all"}],
            "performance": {"concurrent_jobs": slots},
        }
        worker_id = f"{self.name}-w{next(self._numbers)}"
        socket.ask(
            "register_worker",
            "worker_registered",
            worker_id=worker_id,
            capabilities=capabilities,
            protocol=1,
        )
        return socket

    def _opened(self, socket: Socket) -> Socket:
        self._sockets.append(socket)
        return socket

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
