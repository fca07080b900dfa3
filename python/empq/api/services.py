"""What the API calls: one field per service, filled in by hub/hub.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from empq.artifacts.file_store import FileStore
from empq.settings import Settings

if TYPE_CHECKING:
    from empq.broker.broker import Broker
    from empq.broker.explaining import Explaining
    from empq.notify.metrics import Metrics
    from empq.notify.statistics import Statistics
    from empq.notify.subscriptions import Subscriptions
    from empq.queue.reading import JobReader
    from empq.queue.submission import Submissions
    from empq.queue.transitions import Transitions
    from empq.queue.workflows import Workflows
    from empq.registry.customers import Customers
    from empq.registry.pauses import Pauses
    from empq.registry.registry import Registry


@dataclass(slots=True)
class Services:
    """The services of one hub. `readiness` answers whether it may take work, and its parts' state."""

    settings: Settings
    submissions: Submissions
    transitions: Transitions
    reader: JobReader
    workflows: Workflows
    registry: Registry
    customers: Customers
    pauses: Pauses
    broker: Broker
    explaining: Explaining
    subscriptions: Subscriptions
    statistics: Statistics
    artifacts: FileStore
    readiness: Callable[[], tuple[bool, Mapping[str, Any]]]
    metrics: Metrics
