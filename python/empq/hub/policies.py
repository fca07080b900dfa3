"""The settings that are kept with the data, in force at this hub; taken over when another hub has changed them."""

from __future__ import annotations

import asyncio
import logging

from empq.broker.broker import Broker
from empq.broker.index_keeper import IndexKeeper
from empq.errors import EmpqError, StartRefused
from empq.model.event import WorkerEvent
from empq.queue.submission import Submissions
from empq.store.dataset import Dataset
from empq.store.store import Store

logger = logging.getLogger(__name__)

FREEING = frozenset({"pauses_changed", "customer_changed"})


class Policies:
    """`hear` listens to the log; `adopt` puts settings in force."""

    def __init__(
        self, store: Store, keeper: IndexKeeper, broker: Broker, submissions: Submissions
    ) -> None:
        self._store, self._keeper, self._broker, self._submissions = (
            store,
            keeper,
            broker,
            submissions,
        )
        self._running: set[asyncio.Task[None]] = set()

    def adopt(self, dataset: Dataset) -> None:
        """Order, fit and weights for the matcher and the claims; time-outs for new jobs."""
        self._keeper.matcher.configure(dataset.order, dataset.fit, dataset.weights)
        self._broker.order = dataset.order
        self._submissions.preparation.dataset = dataset

    def hear(self, events: list[WorkerEvent]) -> None:
        """Events of the whole data set stand among those of workers, without a worker id."""
        kinds = {event.type for event in events if not event.worker_id}
        if "settings_changed" in kinds:
            task = asyncio.get_running_loop().create_task(self._reread())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if kinds & FREEING:
            self._broker.look_again()

    async def _reread(self) -> None:
        try:
            self.adopt(await self._store.reread_dataset())
        except (EmpqError, StartRefused) as error:
            logger.error("changed settings could not be read: %s", error)
