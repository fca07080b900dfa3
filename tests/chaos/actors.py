"""Clients and workers that live through faults: what they do not know they ask again, as a client or worker should."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.chaos.history import History
from tests.support.http_calls import Answer
from tests.support.processes import Hub
from tests.support.random_history import GONE, Client, Promises, SocketWorker, Worker

AWAY = frozenset({503, 507})
TRIES = 400


class Calls:
    """Mixed in before an actor of random_history: no answer is wrong while there are faults, but 500 is."""

    hubs: list[Hub]
    history: History
    over: threading.Event

    def complain_of(self, answer: Answer, *expected: int) -> None:
        if answer.status not in {*expected, *AWAY}:
            self.history.note(self.name, "wrong", "", answer=str(answer))  # type: ignore[attr-defined]

    def gone(self, error: Exception) -> None:
        """Anybody may be gone for a while."""

    def end(self, pending: Any, *expected: int) -> Answer | None:
        try:
            answer = pending and pending.answer()
        except GONE:
            return None
        if answer:
            self.complain_of(answer, *expected)
        return answer

    def call_surely(
        self, method: str, path: str, body: Any, headers: dict[str, str], *expected: int
    ) -> Answer | None:
        """Repeated until somebody knows; None where the run is over first."""
        raw = json.dumps(body).encode()
        for _ in range(TRIES):
            try:
                answer = self.hub().http(method, path, raw, headers)  # type: ignore[attr-defined]
            except GONE:
                answer = None
            if answer and answer.status not in AWAY:
                self.complain_of(answer, *expected)
                return answer
            if self.over.wait(0.05):
                return None
        return None


class Submitter(Calls, Client):
    """Submits with idempotency keys, cancels, reprioritises, retries."""

    def __init__(self, hubs: list[Hub], history: History, name: str, over: threading.Event) -> None:
        super().__init__(hubs, Promises(), name)
        self.history, self.over, self._numbers = history, over, 0

    def step(self) -> None:
        verbs = (self.submit, self.submit_batch, self.cancel, self.reprioritise, self.retry)
        self.choice.choices(verbs, (10, 2, 2, 2, 2))[0]()
        self.over.wait(0.03)  # about as fast as the workers are

    def body(self) -> dict[str, Any]:
        """A job that knows by which key it was submitted."""
        self._numbers += 1
        one = self.choice
        return {
            "type": "any",
            "payload": {"steps": 0},
            "customer_id": one.choice(("acme", "globex")),
            "priority": one.choice((0, 50, 50, 100)),
            "requirements": {"service_type": one.choice(("alpha", "beta"))},
            "max_retries": one.choice((1, 3, 20)),
            "retry_delays_seconds": one.choice(([0], [0.1, 0.3])),
            "retry_elsewhere": False,
            "timeout_seconds": 60,
            "accept_timeout_seconds": 30,
            "metadata": {"key": f"{self.name}-{self._numbers}"},
        }

    def submit(self) -> None:
        body = self.body()
        key = body["metadata"]["key"]
        self.history.note(self.name, "submit_begun", key)
        answer = self.call_surely("POST", "/api/jobs", body, {"Idempotency-Key": key}, 201)
        if answer and answer.status == 201:
            self._submitted(key, answer.json["id"])

    def submit_batch(self) -> None:
        bodies = [self.body() for _ in range(self.choice.randint(2, 12))]
        keys = [body["metadata"]["key"] for body in bodies]
        for key in keys:
            self.history.note(self.name, "submit_begun", key)
        headers = {"Idempotency-Key": keys[0]}
        answer = self.call_surely("POST", "/api/jobs/batch", {"jobs": bodies}, headers, 201)
        if answer and answer.status == 201:
            for key, job in zip(keys, answer.json["jobs"], strict=True):
                self._submitted(key, job["id"])

    def _submitted(self, key: str, job_id: str) -> None:
        self.promises.jobs.append(job_id)
        self.history.note(self.name, "submitted", key, job_id=job_id)

    def reprioritise(self) -> None:
        job_id = self.promises.some_job(self.choice)
        self.history.note(self.name, "touched", job_id)
        priority = {"priority": self.choice.randrange(101)}
        self.call("PATCH", f"/api/jobs/{job_id}", priority, 200, 404, 409)

    def cancel(self) -> None:
        job_id = self.promises.some_job(self.choice)
        answer = self.call("POST", f"/api/jobs/{job_id}/cancel", {}, 200, 404, 409)
        if answer and answer.status == 200:
            self.history.note(self.name, "cancelled", job_id)

    def retry(self) -> None:
        job_id = self.promises.some_job(self.choice)
        key = f"{self.name}-retry-{self.choice.random()}"
        path = f"/api/jobs/{job_id}/retry"
        answer = self.call_surely("POST", path, {}, {"Idempotency-Key": key}, 201, 404, 409)
        if answer and answer.status == 201:
            self.history.note(self.name, "submitted", key, job_id=answer.json["id"])


class Reports:
    """What a worker of either kind notes."""

    name: str
    history: History

    def noted(self, job: dict[str, Any]) -> None:
        self.history.note(self.name, "given", job["job_id"], attempt=job["attempt"])

    def over_with(self, job_id: str, attempt: int) -> None:
        self.history.note(self.name, "run_over", job_id, attempt=attempt)

    def was_completed(self, job_id: str, attempt: int, value: str) -> None:
        self.history.note(self.name, "completed", job_id, attempt=attempt, value=value)


class RestWorker(Calls, Reports, Worker):
    """A worker over REST that sends its results until they are taken or refused."""

    faults = (Worker.register, Worker.hang_up, Worker.leave, Worker.omit, Worker.fall_silent)

    def __init__(
        self, hubs: list[Hub], history: History, name: str, over: threading.Event, lease: float
    ) -> None:
        super().__init__(hubs, Promises(), name, lease)
        self.history, self.over = history, over
        #: results that nobody has acknowledged yet
        self.unacked: dict[str, tuple[Any, str]] = {}

    def step(self) -> None:
        if self.choice.random() < 0.02:
            self.choice.choice(self.faults)(self)
        else:
            verbs = (self.claim, self.report, self.heartbeat)
            self.choice.choices(verbs, (3, 6, 3))[0]()
        self.over.wait(0.005)

    def take(self, jobs: list[Any]) -> None:
        super().take(jobs)
        for job in jobs:
            self.noted(job)

    def report(self) -> None:
        for job, value in list(self.unacked.values()):
            self.hand_in(job, value)
        if self.held:
            job = self.held[self.choice.choice(list(self.held))]
            verbs = ("accept", "progress", "complete", "fail", "release")
            verb = self.choice.choices(verbs, (2, 3, 12, 1, 1))[0]
            if verb == "complete":
                self.hand_in(job, f"{self.name} {job['job_id']} {job['attempt']}")
            else:
                self.say(verb, job)

    def hand_in(self, job: Any, value: str) -> None:
        job_id = job["job_id"]
        if self.held.pop(job_id, None):
            self.over_with(job_id, job["attempt"])
        self.unacked[job_id] = (job, value)
        token = {"worker_id": self.name, "attempt": job["attempt"], "lease": job["lease"]}
        path = f"/api/jobs/{job_id}/complete"
        answer = self.call("POST", path, token | {"result": value}, 200, 409, 404)
        if answer and answer.status not in AWAY:
            self.unacked.pop(job_id, None)
            if answer.status == 200:
                self.was_completed(job_id, job["attempt"], value)

    def listed(self) -> list[Any]:
        jobs = [*self.held.values(), *(job for job, _ in self.unacked.values())]
        return [{"job_id": job["job_id"], "attempt": job["attempt"]} for job in jobs]

    def heartbeat(self) -> None:
        body = {"current_jobs": self.listed()}
        answer = self.call("POST", f"/api/workers/{self.name}/heartbeat", body, 200, 404)
        if answer and answer.status == 404:
            self.register()
        elif answer and answer.status == 200:
            for order in [*answer.json["stop"], *answer.json["cancel"]]:
                if job := self.held.pop(order["job_id"], None):
                    self.over_with(job["job_id"], job["attempt"])


class LinkWorker(Reports, SocketWorker):
    """A worker over a socket; what it does not know about a result it forgets with the connection: the lease decides."""

    def __init__(
        self, hubs: list[Hub], history: History, name: str, over: threading.Event, lease: float
    ) -> None:
        super().__init__(hubs, Promises(), name, lease)
        self.history, self.over = history, over

    def step(self) -> None:
        if self.choice.random() < 0.02:
            self.choice.choice((self.hang_up, self.leave, self.omit, self.fall_silent))()
        else:
            self.choice.choices((self.claim, self.report, self.heartbeat), (3, 6, 3))[0]()
        self.over.wait(0.005)

    def gone(self, error: Exception) -> None:
        """Anybody may be gone for a while."""

    def take(self, jobs: list[Any]) -> None:
        super().take(jobs)
        for job in jobs:
            self.noted(job)

    def report(self) -> None:
        if self.held:
            job = self.held[self.choice.choice(list(self.held))]
            verbs = ("accept", "complete", "fail", "release")
            self.say(self.choice.choices(verbs, (2, 10, 1, 1))[0], job)

    def say(self, verb: str, job: Any) -> None:
        if verb != "complete":
            return super().say(verb, job)
        job_id, value = job["job_id"], f"{self.name} {job['job_id']} {job['attempt']}"
        token = {name: job[name] for name in ("job_id", "attempt", "lease")}
        answer = self.ask("complete_job", "job_completed_ack", **token, result=value)
        if answer and answer["type"] == "job_completed_ack":
            self.was_completed(job_id, job["attempt"], value)
        if answer and not (answer["type"] == "error" and answer["error_code"] == "unavailable"):
            self.held.pop(job_id, None)
            self.over_with(job_id, job["attempt"])
        return None
