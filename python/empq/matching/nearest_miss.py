"""The smallest change to a job's requirements that opens a worker (matching.md, "Explain").

Looked for among workers that a single requirement keeps away: numbers first, by how far they are
apart, then the other rules in table order, then by worker id. Every answer is proved by matching
again with the changed requirements.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from empq.errors import EmpqError
from empq.matching.interface import Verdict
from empq.matching.paths import (
    RulePath,
    WorkerFacts,
    as_sent,
    offered_at,
    parse_rule,
    required_at,
    value_at,
)
from empq.model.fields import forward_slashes, scale_of, scaled

Rematch = Callable[[dict[str, Any]], list[Verdict]]

#: Of a list that a worker offers, how many are tried in place of what it lacks.
_TRIED_VALUES = 16


class _Change(NamedTuple):
    """`to` at `keys` (or at one element there); None removes. `path` is the name in the answer."""

    path: str
    keys: tuple[str, ...]
    element: int | None
    to: Any

    def applied(self, required: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the requirements with the change; a list that loses its last element goes too."""
        changed = copy.deepcopy(dict(required))
        parent = value_at(changed, self.keys[:-1])
        key = self.keys[-1]
        items = parent.get(key)
        if self.element is not None and isinstance(items, list) and len(cast("Any", items)) > 1:
            del items[self.element]
        elif self.to is None:
            parent.pop(key, None)
        else:
            parent[key] = self.to
        return changed


class _Miss(NamedTuple):
    """One worker and the only rule that keeps it away."""

    order: tuple[int, int, tuple[int, int, int], bytes]
    worker_id: str
    rule: str


def nearest_miss(
    verdicts: Sequence[Verdict],
    required: Mapping[str, Any],
    workers: Mapping[str, WorkerFacts],
    rematch: Rematch,
    timeout_seconds: float | None = None,
) -> dict[str, Any] | None:
    """{change: {path, from, to}, worker_id, opens}; None where a worker is eligible or nothing opens one."""
    if any(not verdict.rules for verdict in verdicts):
        return None
    opened_by: dict[tuple[str, bytes], list[str]] = {}
    for miss in sorted(_misses(verdicts, required, workers, timeout_seconds)):
        facts = workers[miss.worker_id]
        for change in _changes(miss.rule, required, facts):
            known = (change.path, msgspec.json.encode(change.to))
            if known not in opened_by:
                opened_by[known] = _opened(change.applied(required), rematch)
            if miss.worker_id in opened_by[known]:
                return _answer(change, required, miss.worker_id, opened_by[known])
    return None


def _answer(
    change: _Change, required: Mapping[str, Any], worker_id: str, opens: list[str]
) -> dict[str, Any]:
    before = value_at(required, change.keys)
    if change.element is not None and isinstance(before, list):
        before = cast("list[Any]", before)[change.element]
    return {
        "change": {"path": change.path, "from": before, "to": change.to},
        "worker_id": worker_id,
        "opens": opens,
    }


def _misses(
    verdicts: Sequence[Verdict],
    required: Mapping[str, Any],
    workers: Mapping[str, WorkerFacts],
    timeout_seconds: float | None,
) -> Iterator[_Miss]:
    for verdict in verdicts:
        if len(verdict.rules) != 1 or verdict.worker_id not in workers:
            continue
        rule = verdict.rules[0]
        path = parse_rule(rule)
        # A stated timeout_seconds goes on to be compared, whatever becomes of timeout_minutes.
        if not path.is_requirement or (
            path.path == "timeout_minutes" and timeout_seconds is not None
        ):
            continue
        name = verdict.worker_id.encode()
        if path.is_number:
            distance = _distance(path, required, workers[verdict.worker_id])
            yield _Miss((0, distance, (0, 0, 0), name), verdict.worker_id, rule)
        else:
            yield _Miss((1, 0, path.place, name), verdict.worker_id, rule)


def _distance(path: RulePath, required: Mapping[str, Any], facts: WorkerFacts) -> int:
    scale = scale_of(path.path)
    wanted = scaled(required_at(path, required), scale)
    offered = scaled(offered_at(path, required, facts) or 0, scale)
    return abs(wanted - offered) * 10_000 // wanted


def _opened(changed: dict[str, Any], rematch: Rematch) -> list[str]:
    try:
        return [verdict.worker_id for verdict in rematch(changed) if not verdict.rules]
    except EmpqError:
        # Requirements that contradict each other open nobody.
        return []


def _changes(rule: str, required: Mapping[str, Any], facts: WorkerFacts) -> Iterator[_Change]:
    """What might open the worker at this rule, the smallest change first."""
    path = parse_rule(rule)
    if path.unwanted or path.path == "constraints":
        yield _Change(as_sent(rule, required), path.keys, path.element, None)
    elif path.path == "quality_level":
        yield _Change("quality_required", ("quality_required",), None, False)
    else:
        wanted, offered = required_at(path, required), offered_at(path, required, facts)
        for value in _values(path, wanted, offered):
            yield _Change(rule, path.keys, None, value)


def _values(path: RulePath, wanted: Any, offered: Any) -> list[Any]:
    """Values of the path itself that the worker meets, None for none at all."""
    if path.is_number:
        # 0 minutes cannot be asked for; 0 GB can.
        return [None] if path.path == "timeout_minutes" and not offered else [offered or 0]
    match path.path:
        case "service_type" | "component" | "workflow":
            return [*(offered or ())[:_TRIED_VALUES], None]
        case "models":
            known = {forward_slashes(model) for model in offered or ()}
            return [[model for model in wanted if forward_slashes(model) in known]]
        case "compliance":
            return [[rule for rule in wanted if rule in (offered or ())]]
        case "hardware.gpu_model" | "geographic_region":
            if offered is None:
                return [None]
            return (
                [[*cast("list[Any]", wanted), offered], None]
                if isinstance(wanted, list)
                else [offered, None]
            )
        case "customer_isolation":
            return [offered or "none"]
        case _:
            return [offered or "standard"]
