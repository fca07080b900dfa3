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
COUNTERS = {
    "empq_index_rebuilds": "How often this hub has read its index anew, its start included.",
    "empq_matcher_failures": "Faults of this hub's matcher; each cost a call and a rebuild.",
    "empq_log_entries_lost": "Log entries that this hub had seen and Redis came back without.",
    "empq_answers_not_durable": "Answers of this hub that missed the durability asked for.",
}


class Metrics:
    """One scrape reads the counters that the scripts keep: nothing is counted per job in the hub."""

    def __init__(
        self,
        statistics: Statistics,
        connections: Callable[[], Mapping[str, int]],
        counters: Callable[[], Mapping[str, int]],
    ) -> None:
        """`counters`: what this hub has counted since its start, by the names of COUNTERS."""
        self._statistics, self._connections, self._counters = statistics, connections, counters

    async def render(self) -> bytes:
        """The text of GET /metrics."""
        registry = CollectorRegistry(auto_describe=False)
        snapshot = await self._statistics.snapshot()
        registry.register(_Scrape(snapshot, self._connections(), self._counters()))
        return generate_latest(registry)


class _Scrape:
    """A collector over one snapshot."""

    def __init__(
        self,
        snapshot: dict[str, Any],
        connections: Mapping[str, int],
        counters: Mapping[str, int],
    ) -> None:
        self._snapshot, self._connections, self._counters = snapshot, connections, counters

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
        unmet = GaugeMetricFamily(
            "empq_unmet_jobs", "Queued jobs that no worker alive can ever take."
        )
        unmet.add_metric([], snapshot["unmet_demand"]["jobs"])
        yield unmet
        yield _gauge("empq_index", "Sizes of this hub's index.", "what", snapshot["index"])
        yield _gauge("empq_connections", "What is open at this hub.", "kind", self._connections)
        for name, number in self._counters.items():
            counter = CounterMetricFamily(name, COUNTERS[name])
            counter.add_metric([], number)
            yield counter


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
