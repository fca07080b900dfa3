"""The composition root: builds every service in order, starts the roles, stops them in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

from empq.api.services import Services
from empq.artifacts.file_store import FileStore
from empq.broker.broker import SWEEP_SECONDS, Broker
from empq.broker.explaining import Explaining
from empq.broker.index_keeper import IndexKeeper
from empq.broker.unmet_demand import UnmetDemand
from empq.feed.event_feed import EventFeed
from empq.hub.background import BackgroundService
from empq.hub.known_data import KnownData
from empq.hub.policies import Policies
from empq.matching.implementation import make_matcher
from empq.notify.metrics import Metrics
from empq.notify.statistics import Statistics
from empq.notify.subscriptions import Subscriptions
from empq.queue.reading import JobReader
from empq.queue.roles import (
    LIMIT,
    DependantSettler,
    DuePromoter,
    LeaseReaper,
    LogTrimmer,
    RetentionJanitor,
)
from empq.queue.submission import Submissions
from empq.queue.transitions import Transitions
from empq.queue.workflows import Workflows
from empq.registry.customers import Customers
from empq.registry.pauses import Pauses
from empq.registry.registry import Registry
from empq.settings import Settings
from empq.store.store import Store

logger = logging.getLogger(__name__)

DEFAULT_ARTIFACTS = ".local/share/empq/artifacts"
PROMOTE_SECONDS, SETTLE_SECONDS, JANITOR_SECONDS, NOTE_SECONDS = 0.1, 1.0, 2.0, 3.0


class Hub:
    """One hub process: stateless but for its index, which is thrown away and rebuilt at will."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings)
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = False

    async def start(self) -> Services:
        """Everything in order. Raises StartRefused with a sentence."""
        settings, store = self._settings, self._store
        known = KnownData(settings)
        dataset = await store.open(known.expected())
        keeper = IndexKeeper(store, lambda: make_matcher(settings.matcher))
        artifacts = FileStore.at(settings.artifacts or f"file://{Path.home() / DEFAULT_ARTIFACTS}")
        transitions, unmet = Transitions(store), UnmetDemand(store, keeper)
        statistics = Statistics(store, keeper.figures, unmet.now)
        registry, broker = Registry(store, keeper, dataset.lease_ms), Broker(store, keeper)
        subscriptions = Subscriptions()
        services = Services(
            settings=settings,
            submissions=Submissions(store, dataset, settings),
            transitions=transitions,
            reader=JobReader(store, artifacts),
            workflows=Workflows(store, transitions),
            registry=registry,
            customers=Customers(store),
            pauses=Pauses(store),
            broker=broker,
            explaining=Explaining(store, keeper),
            subscriptions=subscriptions,
            statistics=statistics,
            metrics=Metrics(
                statistics,
                lambda: _connections(registry, broker, subscriptions),
                lambda: {
                    "empq_index_rebuilds": keeper.rebuilds,
                    "empq_matcher_failures": keeper.matcher.failures,
                    "empq_log_entries_lost": self._feed.lost,
                    "empq_answers_not_durable": store.barrier.missed if store.barrier else 0,
                },
            ),
            artifacts=artifacts,
            readiness=self.readiness,
        )
        roles = _roles(store, dataset.lease_ms, artifacts)
        self._feed = _connect(store, keeper, services)
        store.calls.on_settle = roles[0].nudge
        policies = Policies(store, keeper, broker, services.submissions)
        policies.adopt(dataset)
        self._feed.on_workers = _both(registry.hear_workers, policies.hear)
        self._feed.number, self._feed.epoch = await keeper.rebuild(), dataset.epoch
        self._run(self._feed.run())
        note = partial(known.note, store, dataset.id)
        for role in (
            *roles,
            BackgroundService("sweep", SWEEP_SECONDS, broker.sweep, LIMIT),
            BackgroundService("note data set", NOTE_SECONDS, note, LIMIT),
        ):
            self._run(role.run())
        self._ready = True
        return services

    def _run(self, role: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(role))

    def readiness(self) -> tuple[bool, dict[str, bool]]:
        """Whether calls can be served: Redis answers, the index follows the log."""
        parts = {
            "redis": self._store.round_trips.connected.is_set(),
            "data": not self._store.calls.is_foreign,
            "index": self._ready and self._feed.following.is_set(),
        }
        return all(parts.values()), parts

    async def stop(self) -> None:
        """Roles first, the connection last."""
        self._ready = False
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await self._store.close()


def _connections(
    registry: Registry, broker: Broker, subscriptions: Subscriptions
) -> dict[str, int]:
    return {"worker": registry.linked, "claim": broker.waiting, "subscription": len(subscriptions)}


def _roles(store: Store, lease_ms: int, artifacts: FileStore) -> list[BackgroundService]:
    """What every hub does again and again; the first settles dependants."""
    return [
        BackgroundService("settle", SETTLE_SECONDS, DependantSettler(store).run_once, LIMIT),
        BackgroundService("reap", min(lease_ms / 12_000, 0.5), LeaseReaper(store).run_once, LIMIT),
        BackgroundService("promote", PROMOTE_SECONDS, DuePromoter(store).run_once, LIMIT),
        BackgroundService(
            "forget", JANITOR_SECONDS, RetentionJanitor(store, artifacts.forget).run_once, LIMIT
        ),
        BackgroundService("trim", JANITOR_SECONDS, LogTrimmer(store).run_once, sys.maxsize),
    ]


def _connect(store: Store, keeper: IndexKeeper, services: Services) -> EventFeed:
    """Who hears of what; returns the feed, not yet running."""
    registry, broker, subscriptions = services.registry, services.broker, services.subscriptions
    feed = EventFeed(store)
    store.calls.on_entry = keeper.apply_reply
    keeper.on_grown = broker.lanes_grew
    keeper.on_lost = feed.rebuild_soon
    services.submissions.on_prepared = broker.expect
    registry.on_changed = broker.worker_changed
    services.reader.end_of = subscriptions.end_of
    feed.on_index = keeper.apply_log
    feed.on_jobs = _both(registry.hear_jobs, subscriptions.publish)
    feed.on_gap = keeper.rebuild
    return feed


def _both(first: Any, second: Any) -> Any:
    def hear(events: Any) -> None:
        first(events)
        second(events)

    return hear


def build(settings: Settings) -> Hub:
    """A hub, not yet started."""
    return Hub(settings)
