"""Prometheus metrics of the data set (the same at every hub) and of this hub's connections; names: contract.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from empq.model.lifecycle import ENDED
from empq.notify.statistics import Statistics

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One scrape reads the counters that the scripts keep: nothing is counted per job in the hub."""

    def __init__(
        self, statistics: Statistics, connections: Callable[[], Mapping[str, int]]
    ) -> None:
        self._statistics, self._connections = statistics, connections

    async def render(self) -> bytes:
        """The text of GET /metrics."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(await self._statistics.snapshot(), self._connections()))
        return generate_latest(registry)


class _Scrape:
    """A collector over one snapshot."""

    def __init__(self, snapshot: dict[str, Any], connections: Mapping[str, int]) -> None:
        self._snapshot, self._connections = snapshot, connections

    def collect(self) -> Iterator[Metric]:
        """All families."""
        snapshot, totals = self._snapshot, self._snapshot["totals"]
        yield _gauge("empq_jobs", "Stored jobs.", "status", snapshot["jobs"])
        submitted = CounterMetricFamily("empq_jobs_submitted", "Jobs ever submitted.")
        submitted.add_metric([], totals["submitted"])
        yield submitted
        ended = CounterMetricFamily("empq_jobs_ended", "Jobs ever ended.", labels=["status"])
        for status in sorted(ENDED):
            ended.add_metric([status], totals[status])
        yield ended
        yield _gauge("empq_workers", "Known workers.", "status", snapshot["workers"])
        slots = snapshot["slots"]
        states = {"held": slots["held"], "free": max(0, slots["total"] - slots["held"])}
        yield _gauge("empq_worker_slots", "Slots of workers that are not offline.", "state", states)
        yield _gauge("empq_index", "Sizes of this hub's index.", "what", snapshot["index"])
        yield _gauge("empq_connections", "What is open at this hub.", "kind", self._connections)


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
