"""Claims: the matcher proposes lanes, a script pops in Redis; a claim without a job waits and is offered what comes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from empq.broker.index_keeper import IndexKeeper
from empq.errors import NotFound, NotReady, WorkerReplaced
from empq.matching.interface import Proposal
from empq.model.envelope import assignment
from empq.store.store import Shape, Store

MOST_JOBS = 256
NO_BOUND = 2**53
SWEEP_SECONDS = 0.25
#: proposals in a row that others were quicker to take; then the claim waits for the next offer or sweep
MOST_MISSES = 4


class ParkedClaim:
    """A claim that waits. `lanes` are what it is to be offered next, `call` the script's answer to that."""

    def __init__(self, worker_id: str, item: list[Any]) -> None:
        self.worker_id, self.item = worker_id, item
        self.offered: asyncio.Future[asyncio.Future[Any]] = (
            asyncio.get_running_loop().create_future()
        )

    def offered_call(self) -> asyncio.Future[Any] | None:
        """The call that was sent for this claim, where there was an offer."""
        is_offered = self.offered.done() and not self.offered.cancelled()
        return self.offered.result() if is_offered else None


class Broker:
    """`claim` is the whole face; the rest is told by the index keeper, the submissions and the registry."""

    def __init__(self, store: Store, keeper: IndexKeeper) -> None:
        self._store, self._keeper = store, keeper
        self._parked: dict[str, list[ParkedClaim]] = {}
        self._lanes_due: dict[str, int] = {}
        #: kept with the data; under `score` a lane is offered only once the index can score it
        self.order = "fifo"
        self._workers_due: set[str] = set()
        self._scheduled = False

    async def claim(
        self, worker_id: str, session: str | None, max_jobs: int, wait_ms: int, claim_id: str | None
    ) -> list[bytes]:
        """Up to `max_jobs` assignments, best first, as soon as there is one; [] when the wait is over.

        Raises NotFound (unknown or offline: register again), WorkerReplaced.
        """
        deadline = asyncio.get_running_loop().time() + wait_ms / 1000
        item: list[Any] = [
            worker_id,
            session or "",
            0,
            min(max_jobs, MOST_JOBS),
            claim_id or "",
            "",
            [],
        ]
        call = self._send(item, self._propose(worker_id, max_jobs))
        misses = 0
        while True:
            result = await self._result(item, call)
            if result[0] == "ok" and result[1]:
                return [
                    assignment(envelope, job_id, attempt, lease, priority)
                    for job_id, attempt, lease, priority, envelope in result[1]
                ]
            _demand(result, worker_id)
            if result[0] == "stale_worker":
                await self._keeper.refresh_worker(worker_id)
            misses += 1
            proposals = self._propose(worker_id, max_jobs) if misses <= MOST_MISSES else []
            if proposals:
                call = self._send(item, proposals)
                continue
            misses = 0
            offered = await self._park(
                worker_id, item, deadline - asyncio.get_running_loop().time()
            )
            if offered is None:
                return []
            call = offered

    async def _result(self, item: list[Any], call: asyncio.Future[Any]) -> list[Any]:
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            call.add_done_callback(partial(self._give_back, item))
            raise
        except NotReady:  # the index is behind the log: look again when it has moved on
            await self._keeper.moved_on()
            return ["ok", []]

    def _give_back(self, item: list[Any], call: asyncio.Future[Any]) -> None:
        """The caller has gone while its claim was under way: jobs that no claim_id can ask for again go back."""
        if call.cancelled() or call.exception() is not None:
            return
        result = call.result()
        for job_id, attempt, lease, *_ in result[1] if result[0] == "ok" and not item[4] else ():
            self._store.release.add(
                [job_id, item[0], attempt, lease, "the claim's caller has gone"]
            )

    def _propose(self, worker_id: str, max_jobs: int) -> list[Proposal]:
        """One lane more than there are jobs wanted: its head bounds what may be taken from the others."""
        return self._keeper.matcher.propose(worker_id, min(max_jobs, MOST_JOBS) + 1)

    def _send(
        self, item: list[Any], proposals: Sequence[Proposal], more: Sequence[str] = ()
    ) -> asyncio.Future[Any]:
        """`more`: lanes of this tick's submissions, which the index does not hold yet."""
        offered, rest = proposals[: item[3]], proposals[item[3] :]
        lanes = [proposal.lane for proposal in offered]
        lanes += [lane for lane in more if lane not in lanes]
        fresh = [
            *item[:2],
            self._keeper.version_of(item[0]),
            *item[3:5],
            secrets.token_hex(16),
            lanes,
            [proposal.score for proposal in offered] if self.order == "score" else [],
            rest[0].rank if rest and self.order == "fifo" else NO_BOUND,
        ]
        return self._store.claim.add(fresh)

    async def _park(
        self, worker_id: str, item: list[Any], seconds: float
    ) -> asyncio.Future[Any] | None:
        if seconds <= 0:
            return None
        parked = ParkedClaim(worker_id, item)
        self._parked.setdefault(worker_id, []).append(parked)
        try:
            async with asyncio.timeout(seconds):
                return await parked.offered
        except TimeoutError:
            return parked.offered_call()
        except asyncio.CancelledError:  # the caller has gone in the very tick of an offer
            if (call := parked.offered_call()) is not None:
                call.add_done_callback(partial(self._give_back, item))
            raise
        finally:
            self._unpark(parked)

    def _unpark(self, parked: ParkedClaim) -> None:
        waiting = self._parked.get(parked.worker_id)
        if waiting and parked in waiting:
            waiting.remove(parked)
            if not waiting:
                del self._parked[parked.worker_id]

    # ------------------------------------------------------------------ offers

    @property
    def waiting(self) -> int:
        """How many claims wait."""
        return sum(len(claims) for claims in self._parked.values())

    def expect(self, shape: Shape, lane: str, priority: int) -> None:
        """A submission is about to be sent: a waiting claim that suits it travels in the same round trip."""
        self._keeper.know_shape(shape.base, shape.document.encode())
        if self._parked and self.order != "score":
            self._lanes_due[lane] = max(priority, self._lanes_due.get(lane, 0))
            self._schedule()

    def lanes_grew(self, lanes: Sequence[str]) -> None:
        """Lanes have gained jobs: each is offered to the waiting worker that suits it best."""
        if self._parked:
            for lane in lanes:
                self._lanes_due.setdefault(lane, -1)
            self._schedule()

    def worker_changed(self, worker_id: str) -> None:
        """A worker may be able to take more than before."""
        if worker_id in self._parked:
            self._workers_due.add(worker_id)
            self._schedule()

    def look_again(self) -> None:
        """Something that kept jobs or workers back is gone: every waiting claim looks again."""
        self._workers_due.update(self._parked)
        self._schedule()

    async def sweep(self) -> int:
        """Every waiting claim looks again: what no event tells (an avoidance that is over, a peer gone)."""
        before = self.waiting
        self._workers_due.update(self._parked)
        self._offer_due()
        return before - self.waiting

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._offer_due)

    def _offer_due(self) -> None:
        self._scheduled = False
        with contextlib.suppress(
            NotReady
        ):  # the matcher failed: the sweep after its rebuild offers again
            self._offer_all()

    def _offer_all(self) -> None:
        lanes, self._lanes_due = self._lanes_due, {}
        workers, self._workers_due = self._workers_due, set()
        for lane, priority in sorted(lanes.items(), key=lambda due: -due[1]):
            if not self._parked:
                return
            self._offer_lane(lane, announced=priority >= 0)
        for worker_id in workers:
            self._offer_worker(worker_id)

    def _offer_lane(self, lane: str, *, announced: bool) -> None:
        """`announced`: the lane's job is on its way in this very tick, the index does not know it yet."""
        for worker_id in self._keeper.matcher.offer(lane, list(self._parked)):
            if self._offer_worker(worker_id, [lane] if announced else []):
                return

    def _offer_worker(self, worker_id: str, more: Sequence[str] = ()) -> bool:
        waiting = self._parked.get(worker_id)
        if not waiting:
            return False
        parked = waiting[0]
        proposals = self._propose(worker_id, parked.item[3])
        if not proposals and not more:
            return False
        self._unpark(parked)
        if parked.offered.done():  # its caller has just gone: the offer is for the next
            return self._offer_worker(worker_id, more)
        parked.offered.set_result(self._send(parked.item, proposals, more))
        return True


def _demand(result: list[Any], worker_id: str) -> None:
    if result[0] == "not_found":
        raise NotFound(f"worker {worker_id} is unknown or offline: register again")
    if result[0] == "worker_replaced":
        raise WorkerReplaced(f"a newer registration of worker {worker_id} took over")
