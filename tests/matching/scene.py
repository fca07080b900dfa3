"""Tells a matcher of workers and lanes, from requirements and capabilities as users send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from empq.matching.explanation import explanation
from empq.matching.interface import Applied, Matcher, Verdict
from empq.matching.paths import Quota, WorkerFacts
from empq.model.capabilities import decode_capabilities
from empq.model.requirements import decode_requirements
from empq.model.shape import lane_id

Held = Sequence[tuple[str, str, int]]

#: One service "s" with the model "m".
PLAIN: dict[str, Any] = {"services": [{"name": "s", "models": ["m"]}]}


def entry(
    number: int, lanes: Sequence[Any] = (), workers: Sequence[Any] = (), *limits: Any
) -> bytes:
    """The index part of one log entry; limits: pauses (0 = unchanged) and customers, or neither."""
    return msgspec.msgpack.encode([number, list(lanes), list(workers), *limits])


class Scene:
    """One matcher and the number of its last entry."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.number = 0
        self.facts: dict[str, WorkerFacts] = {}
        self.quotas: dict[str, Quota] = {}
        self.documents: dict[str, bytes] = {}

    def apply(
        self, lanes: Sequence[Any] = (), workers: Sequence[Any] = (), *limits: Any
    ) -> Applied:
        """Applies the next entry."""
        self.number += 1
        return self.matcher.apply([entry(self.number, lanes, workers, *limits)])

    def pause(self, *pauses: tuple[str, str]) -> None:
        """These pauses and no others."""
        self.apply([], [], [list(pause) for pause in pauses], [])

    def customer(
        self, customer: str, *, max_active: int = -1, active: int = 0, virtual_time: int = 0
    ) -> None:
        """What holds of a customer from now on."""
        self.quotas[customer] = Quota(active, max_active)
        self.apply([], [], 0, [[customer, 1, max_active, active, virtual_time]])

    def worker(
        self,
        worker_id: str = "w",
        capabilities: dict[str, Any] | None = None,
        *,
        held: Held = (),
        state: str = "online",
        idle_since_ms: int = 0,
        load: tuple[int, int, int] = (0, 0, 0),
        **more: Any,
    ) -> None:
        """A worker that takes part; `more` are capabilities beside those of PLAIN."""
        sent = {**(PLAIN if capabilities is None else capabilities), **more}
        self.facts[worker_id] = WorkerFacts(sent, held)
        self.matcher.set_worker(worker_id, self.number, decode_capabilities(sent).document())
        self.matcher.set_load(worker_id, *load)
        self.apply(workers=[[worker_id, 0, state, idle_since_ms, [list(job) for job in held]]])

    def lane(
        self,
        requirements: dict[str, Any] | None = None,
        customer: str = "",
        job_type: str | None = "t",
        *,
        avoided: Sequence[str] = (),
        rank: int | None = None,
        member: str | None = None,
        count: int = 1,
        timeout_seconds: float | None = None,
    ) -> str:
        """A lane whose head comes after those of earlier calls, unless `rank` says otherwise."""
        shape = decode_requirements(requirements or {}).canonical(job_type, timeout_seconds)
        self.matcher.add_shape(*shape)
        self.documents[shape.base] = shape.document
        lane = lane_id(shape.base, customer, avoided)
        place = self.number if rank is None else rank
        head = f"{self.number:04}" if member is None else member
        self.apply(lanes=[[lane, place, head, count] if count else [lane, 0, "", 0]])
        return lane

    def verdicts(
        self,
        requirements: dict[str, Any] | None = None,
        customer: str = "",
        job_type: str | None = "t",
        *,
        avoided: Sequence[str] = (),
        timeout_seconds: float | None = None,
    ) -> list[Verdict]:
        """What explain says."""
        document = decode_requirements(requirements or {}).document(job_type, timeout_seconds)
        return self.matcher.explain(document, customer, avoided)

    def rules(
        self, requirements: dict[str, Any] | None = None, *more: Any, **other: Any
    ) -> list[str]:
        """The rules that keep the only worker away."""
        (verdict,) = self.verdicts(requirements, *more, **other)
        return verdict.rules


def explained(
    scene: Scene,
    requirements: dict[str, Any],
    customer: str = "",
    job_type: str | None = "t",
    *,
    timeout_seconds: float | None = None,
    limit: int = 1000,
) -> dict[str, Any]:
    """The answer of `POST /api/match` about the scene's workers."""

    def match(changed: dict[str, Any]) -> Any:
        return scene.verdicts(changed, customer, job_type, timeout_seconds=timeout_seconds)

    return explanation(
        match(requirements),
        requirements,
        scene.facts,
        match,
        timeout_seconds=timeout_seconds,
        job_type=job_type,
        customer=customer,
        quota=scene.quotas.get(customer),
        limit=limit,
    )
