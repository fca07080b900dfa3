"""Clients and workers that do anything at any time, from a seed; they write down what the hubs have promised them."""

from __future__ import annotations

import http.client
import random
import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException

from tests.support.http_calls import Answer, Pending
from tests.support.processes import Hub
from tests.support.sockets import Socket
from tests.support.waiting import outlast

SERVICES = ("alpha", "beta")
CUSTOMERS = ("acme", "a:b", "ä/{b}")
GONE = (OSError, http.client.HTTPException, WebSocketException)


class Promises:
    """What was acknowledged, and what was not as it should be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.jobs: list[str] = []
        self.deleted: set[str] = set()
        self.given: defaultdict[str, list[int]] = defaultdict(list)
        self.completed: defaultdict[str, set[str]] = defaultdict(set)
        self.ends: Counter[str] = Counter()
        self.wrong: list[str] = []

    def note(self, change: Callable[[], Any]) -> None:
        with self._lock:
            change()

    def some_job(self, choice: random.Random) -> str:
        with self._lock:
            recent = self.jobs[-60:]
        return choice.choice(recent) if recent else "none"


class Actor:
    """Takes steps until it has taken enough; each call goes to one of the hubs."""

    def __init__(self, hubs: list[Hub], promises: Promises, seed: str) -> None:
        self.hubs, self.promises, self.choice = hubs, promises, random.Random(seed)
        self.name = seed

    def run(self, steps: int) -> None:
        try:
            for _ in range(steps):
                self.step()
        except Exception as error:
            self.complain(repr(error))
            raise

    def step(self) -> None:
        raise NotImplementedError

    def hub(self) -> Hub:
        return self.choice.choice(self.hubs)

    def begin(self, method: str, path: str, body: Any = None) -> Pending | None:
        try:
            return self.hub().http.begin(method, path, body)
        except GONE as error:
            return self.gone(error)

    def end(self, pending: Pending | None, *expected: int) -> Answer | None:
        """The answer; None where the hub has gone. What nobody may be answered is written down."""
        try:
            answer = pending and pending.answer()
        except GONE as error:
            return self.gone(error)
        is_stopping = answer is not None and (
            answer.code == "not_ready" or b"stopping" in answer.raw
        )
        if answer and answer.status not in expected and not (answer.status == 503 and is_stopping):
            self.complain(str(answer))
        return answer

    def complain(self, text: str) -> None:
        self.promises.note(lambda: self.promises.wrong.append(f"{self.name}: {text}"))

    def gone(self, error: Exception) -> None:
        """A hub may be killed, but it must not keep anybody waiting."""
        if isinstance(error, TimeoutError):
            self.complain(repr(error))

    def call(self, method: str, path: str, body: Any = None, *expected: int) -> Answer | None:
        return self.end(self.begin(method, path, body), *expected)


class Client(Actor):
    """Submits, and then does not leave it alone."""

    def step(self) -> None:
        self.choice.choices(
            (
                self.submit,
                self.submit_batch,
                self.cancel,
                self.reprioritise,
                self.retry,
                self.delete,
                self.cancel_workflow,
            ),
            (10, 4, 3, 3, 2, 2, 1),
        )[0]()

    def body(self) -> dict[str, Any]:
        one = self.choice
        body: dict[str, Any] = {
            "type": "any",
            "payload": {"n": one.random()},
            "customer_id": one.choice(CUSTOMERS),
            "priority": one.choice((0, 50, 50, 100)),
            "requirements": {"service_type": one.choice(SERVICES)},
            "max_retries": one.choice((0, 1, 3)),
            "retry_delays_seconds": one.choice(([0], [0.1, 0.3])),
            "retry_elsewhere": one.random() < 0.5,
            "timeout_seconds": one.choice((0.7, 5, 60)),
            "accept_timeout_seconds": one.choice((0.5, 30)),
            "keep_seconds": one.choice((0, 1, 600, 600, 600)),
        }
        if one.random() < 0.2:
            body["delay_seconds"] = one.choice((0, 0.2, 1))
        if one.random() < 0.2:
            body["workflow_id"] = one.choice(("w", "w:1"))
        if one.random() < 0.15:
            body["requirements"]["isolation"] = "strict"
        if one.random() < 0.2:
            body["depends_on"] = [self.promises.some_job(one)]
        return body

    def keep(self, ids: list[str]) -> None:
        self.promises.note(lambda: self.promises.jobs.extend(ids))

    def submit(self) -> None:
        answer = self.call("POST", "/api/jobs", self.body(), 201, 422)
        if answer and answer.status == 201:
            self.keep([answer.json["id"]])

    def submit_batch(self) -> None:
        bodies = [self.body() for _ in range(self.choice.randint(1, 8))]
        for index, body in enumerate(bodies):
            body["ref"] = str(index)
            if index and self.choice.random() < 0.4:
                earlier = self.choice.randrange(index)
                body["customer_id"] = bodies[earlier]["customer_id"]
                body["depends_on"] = [f"#{earlier}"]
        asked = {"jobs": bodies, "partial": self.choice.random() < 0.7}
        answer = self.call("POST", "/api/jobs/batch", asked, 201, 422)
        if answer and answer.status == 201:
            self.keep([item["id"] for item in answer.json["jobs"] if "id" in item])

    def cancel(self) -> None:
        self.call(
            "POST", f"/api/jobs/{self.promises.some_job(self.choice)}/cancel", {}, 200, 404, 409
        )

    def reprioritise(self) -> None:
        priority = {"priority": self.choice.randrange(101)}
        self.call(
            "PATCH", f"/api/jobs/{self.promises.some_job(self.choice)}", priority, 200, 404, 409
        )

    def retry(self) -> None:
        path = f"/api/jobs/{self.promises.some_job(self.choice)}/retry"
        answer = self.call("POST", path, {}, 201, 404, 409)
        if answer and answer.status == 201:
            self.keep([answer.json["id"]])

    def delete(self) -> None:
        job_id = self.promises.some_job(self.choice)
        answer = self.call("DELETE", f"/api/jobs/{job_id}", None, 204, 404, 409)
        if answer is None or answer.status == 204:
            self.promises.note(lambda: self.promises.deleted.add(job_id))

    def cancel_workflow(self) -> None:
        self.call("POST", "/api/workflows/w:1/cancel?customer_id=acme", {}, 200, 404)


class Worker(Actor):
    """Claims and reports over REST, with all the faults that a worker can have."""

    steps_of_fault = True

    def __init__(
        self, hubs: list[Hub], promises: Promises, seed: str, lease_seconds: float
    ) -> None:
        super().__init__(hubs, promises, seed)
        self.lease_seconds = lease_seconds
        self.held: dict[str, Any] = {}

    def step(self) -> None:
        verbs = (self.claim, self.report, self.heartbeat)
        faults = (self.register, self.hang_up, self.drain, self.leave, self.omit, self.fall_silent)
        if self.steps_of_fault and self.choice.random() < 0.08:
            self.choice.choice(faults)()
        else:
            self.choice.choices(verbs, (3, 6, 3))[0]()

    def register(self) -> None:
        listed = [
            {"job_id": job_id, "attempt": token["attempt"]} for job_id, token in self.held.items()
        ]
        capabilities = {
            "services": [{"name": name, "models": "all"} for name in SERVICES],
            "performance": {"concurrent_jobs": 3},
        }
        body = {"worker_id": self.name, "capabilities": capabilities, "current_jobs": listed}
        answer = self.call("POST", "/api/workers", body, 201)
        if answer and answer.status == 201:
            self.held = {job_id: self.held[job_id] for job_id in answer.json["keep"]}

    def take(self, jobs: list[Any]) -> None:
        for job in jobs:
            self.held[job["job_id"]] = job
            self.promises.note(
                lambda job=job: self.promises.given[job["job_id"]].append(job["attempt"])
            )

    def begin_claim(self, wait_ms: int) -> Pending | None:
        path = (
            f"/api/workers/{self.name}/claim?wait_ms={wait_ms}&max_jobs={self.choice.randint(1, 3)}"
        )
        return self.begin("POST", path, {})

    def claim(self) -> None:
        answer = self.end(self.begin_claim(self.choice.choice((0, 100, 300))), 200, 404)
        if answer and answer.status == 200:
            self.take(answer.json["jobs"])
        elif answer and answer.status == 404:
            self.register()

    def hang_up(self) -> None:
        if pending := self.begin_claim(10_000):
            pending.hang_up()

    def report(self) -> None:
        if not self.held:
            return self.heartbeat()
        job = self.held[self.choice.choice(list(self.held))]
        verbs = ("accept", "progress", "complete", "fail", "release", "complete twice")
        verb = self.choice.choices(verbs, (2, 3, 8, 2, 1, 1))[0]
        for word in verb.split():
            self.say("complete" if word == "twice" else word, job)
        return None

    def say(self, verb: str, job: Any) -> None:
        job_id, value = job["job_id"], f"{self.name} {job['attempt']}"
        fields: dict[str, Any] = {
            "accept": {},
            "progress": {"progress": self.choice.randrange(101)},
            "complete": {"result": value},
            "fail": {"error": "by chance", "retry": self.choice.random() < 0.8},
            "release": {},
        }[verb]
        token = {"worker_id": self.name, "attempt": job["attempt"], "lease": job["lease"]}
        answer = self.call("POST", f"/api/jobs/{job_id}/{verb}", token | fields, 200, 409)
        if answer and answer.status == 200 and verb == "complete":
            self.promises.note(lambda: self.promises.completed[job_id].add(value))
        is_over = answer is not None and verb in ("complete", "fail", "release")
        if is_over or (answer and answer.status == 409):
            self.held.pop(job_id, None)

    def heartbeat(self) -> None:
        listed = [
            {"job_id": job_id, "attempt": token["attempt"]} for job_id, token in self.held.items()
        ]
        path, body = f"/api/workers/{self.name}/heartbeat", {"current_jobs": listed}
        answer = self.call("POST", path, body, 200, 404)
        if answer and answer.status == 404:
            self.register()
        elif answer and answer.status == 200:
            for order in answer.json["stop"]:
                self.held.pop(order["job_id"], None)
            for order in answer.json["cancel"]:
                if self.choice.random() < 0.7 and order["job_id"] in self.held:
                    self.say("release", self.held[order["job_id"]])

    def drain(self) -> None:
        self.call("POST", f"/api/workers/{self.name}/drain", {}, 200, 404)
        self.report()
        self.call("POST", f"/api/workers/{self.name}/resume", {}, 200, 404)

    def leave(self) -> None:
        self.call("DELETE", f"/api/workers/{self.name}", None, 204, 404)
        self.held.clear()

    def omit(self) -> None:
        if self.held:
            self.held.pop(self.choice.choice(list(self.held)))

    def fall_silent(self) -> None:
        outlast(1.5 * self.lease_seconds)


class SocketWorker(Worker):
    """The same over a socket that breaks now and then."""

    def __init__(
        self, hubs: list[Hub], promises: Promises, seed: str, lease_seconds: float
    ) -> None:
        super().__init__(hubs, promises, seed, lease_seconds)
        self.socket: Socket | None = None

    def ask(self, type: str, reply: str, **fields: Any) -> dict[str, Any] | None:
        """The reply, or the error to this message; None where the socket is gone."""
        try:
            if self.socket is None:
                self.socket = self.hub().socket("/ws/worker")
                if type != "register_worker":
                    self.register()
            if self.socket is None:
                return None
            number = self.socket.send(type, **fields)
            return self.socket.expect_one_of((reply, "error", "no_job"), number)
        except GONE as error:
            self.socket = None
            return self.gone(error)

    def register(self) -> None:
        listed = [
            {"job_id": job_id, "attempt": token["attempt"]} for job_id, token in self.held.items()
        ]
        capabilities = {
            "services": [{"name": name, "models": "all"} for name in SERVICES],
            "performance": {"concurrent_jobs": 3},
        }
        answer = self.ask(
            "register_worker",
            "worker_registered",
            worker_id=self.name,
            capabilities=capabilities,
            protocol=1,
            current_jobs=listed,
        )
        if answer and answer["type"] == "worker_registered":
            self.held = {job_id: self.held[job_id] for job_id in answer["keep"]}

    def claim(self) -> None:
        answer = self.ask("claim_job", "job_assigned", wait_ms=self.choice.choice((0, 200)))
        if answer and answer["type"] == "job_assigned":
            self.take([answer["assignment"]])
        elif answer and answer["type"] == "error":
            self.register()

    def hang_up(self) -> None:
        if self.socket is None:
            return
        try:
            self.socket.send("claim_job", wait_ms=10_000)
            self.socket.break_off()
        except GONE as error:
            self.gone(error)
        self.socket = None

    def say(self, verb: str, job: Any) -> None:
        job_id, value = job["job_id"], f"{self.name} {job['attempt']} {secrets.token_hex(4)}"
        type, reply, fields = {
            "accept": ("job_accepted_by_worker", "ack", {}),
            "progress": ("job_accepted_by_worker", "ack", {}),
            "complete": ("complete_job", "job_completed_ack", {"result": value}),
            "fail": ("fail_job", "job_failed_ack", {"error": "by chance"}),
            "release": ("release_job", "ack", {}),
        }[verb]
        token = {name: job[name] for name in ("job_id", "attempt", "lease")}
        answer = self.ask(type, reply, **token, **fields)
        if answer and answer["type"] == "job_completed_ack":
            self.promises.note(lambda: self.promises.completed[job_id].add(value))
        if answer and (reply != "ack" or verb == "release" or answer["type"] == "error"):
            self.held.pop(job_id, None)

    def heartbeat(self) -> None:
        listed = [
            {"job_id": job_id, "attempt": token["attempt"]} for job_id, token in self.held.items()
        ]
        answer = self.ask("worker_heartbeat", "worker_heartbeat_ack", current_jobs=listed)
        if answer and answer["type"] == "error":
            self.register()
        elif answer:
            for order in [*answer["stop"], *answer["cancel"]]:
                self.held.pop(order["job_id"], None)

    def leave(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self.held.clear()
