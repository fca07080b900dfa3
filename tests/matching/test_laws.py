"""What may change about a fleet and its queue without any answer changing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import matching_strategies as some
from empq.matching.implementation import make_matcher
from empq.matching.interface import Matcher
from scene import Scene

LEVEL = 1 << 46
RENAMED = {"": "z", "a": "", "b:!": "aa"}
law = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class World(NamedTuple):
    """Everything that a matcher may be told."""

    fleet: list[tuple[dict[str, Any], list[tuple[str, str, int]], str]]
    queue: list[tuple[dict[str, Any], str, int]]
    policy: tuple[str, str, Sequence[int]]
    pauses: list[list[str]]
    customers: list[list[Any]]

    def told_to(self, matcher: Matcher, workers: Sequence[int] | None = None) -> list[str]:
        """The lanes. Workers register in this order, each idle since its registration."""
        scene = Scene(matcher)
        matcher.configure(*self.policy)
        for since, i in enumerate(range(len(self.fleet)) if workers is None else workers):
            capabilities, held, state = self.fleet[i]
            scene.worker(some.WORKERS[i], capabilities, held=held, state=state, idle_since_ms=since)
        scene.apply([], [], self.pauses, self.customers)
        return [
            scene.lane(sent, customer, rank=rank, member=f"{place:03}")
            for place, (sent, customer, rank) in enumerate(self.queue)
        ]


worlds = st.builds(
    World,
    st.lists(st.tuples(some.capabilities, some.held, some.states), min_size=1, max_size=4),
    st.lists(
        st.tuples(some.wishes | some.requirements, st.sampled_from(some.CUSTOMERS), some.ranks),
        min_size=1,
        max_size=6,
    ),
    some.policies,
    some.pauses,
    st.lists(some.customer_entries, max_size=3, unique_by=lambda it: it[0]),
)


def new(implementation: str) -> Matcher:
    return make_matcher("rust" if implementation == "rust" else "python")


def proposals(matcher: Matcher) -> dict[str, Any]:
    return {worker_id: matcher.propose(worker_id, 99) for worker_id in some.WORKERS}


@law
@given(world=worlds, data=st.data())
def test_the_order_of_registrations_changes_nothing_but_ties_of_offers(
    implementation: str, world: World, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(world.fleet))))
    first, second = new(implementation), new(implementation)

    lanes = world.told_to(first)
    assert world.told_to(second, order) == lanes

    assert proposals(first) == proposals(second)
    for worker_id in some.WORKERS:
        assert first.explain_worker(worker_id) == second.explain_worker(worker_id)
    for lane in lanes:
        scores = {
            it: proposal.score
            for it, found in proposals(first).items()
            for proposal in found
            if proposal.lane == lane
        }
        offers = [matcher.offer(lane, some.WORKERS) for matcher in (first, second)]
        assert sorted(offers[0]) == sorted(offers[1]) == sorted(scores)
        assert [scores[it] for it in offers[0]] == [scores[it] for it in offers[1]]


def renamed(world: World) -> World:
    def lists(capabilities: dict[str, Any]) -> dict[str, Any]:
        return {
            group: {
                key: [RENAMED[it] for it in value]
                if key.endswith("_customers") and isinstance(value, list)
                else value
                for key, value in given_there.items()
            }
            if group in ("customer_access", "affinity")
            else given_there
            for group, given_there in capabilities.items()
        }

    return World(
        [
            (lists(capabilities), [(RENAMED[customer], *job) for customer, *job in held], state)
            for capabilities, held, state in world.fleet
        ],
        [(sent, RENAMED[customer], rank) for sent, customer, rank in world.queue],
        world.policy,
        [[scope, RENAMED[name] if scope == "customer" else name] for scope, name in world.pauses],
        [[RENAMED[customer], *figures] for customer, *figures in world.customers],
    )


@law
@given(world=worlds)
def test_the_names_of_customers_change_nothing(implementation: str, world: World) -> None:
    first, second = new(implementation), new(implementation)

    lanes = world.told_to(first)
    others = dict(zip(lanes, renamed(world).told_to(second), strict=True))

    assert {
        worker_id: [it._replace(lane=others[it.lane]) for it in found]
        for worker_id, found in proposals(first).items()
    } == proposals(second)
    for lane, other in others.items():
        assert first.offer(lane, some.WORKERS) == second.offer(other, some.WORKERS)
    for worker_id in some.WORKERS:
        told = {others[lane]: rules for lane, _, rules in first.explain_worker(worker_id)}
        assert told == {lane: rules for lane, _, rules in second.explain_worker(worker_id)}


UNSERVABLE: list[dict[str, Any]] = [
    {"service_type": "nobody has it"},
    {"hardware": {"gpu_count": 1_000_000}},
    {"geographic_region": "mars"},
    {"constraints": [{"key": "k", "op": "exists"}, {"key": "k", "op": "not_exists"}]},
]


@law
@given(
    world=worlds,
    more=st.lists(
        st.tuples(st.sampled_from(UNSERVABLE), st.sampled_from(some.CUSTOMERS), some.ranks),
        min_size=1,
        max_size=3,
    ),
    data=st.data(),
)
def test_a_job_that_nobody_can_do_changes_no_answer(
    implementation: str, world: World, more: list[Any], data: st.DataObject
) -> None:
    first, second = new(implementation), new(implementation)

    lanes = world.told_to(first)
    world._replace(queue=[*world.queue, *more]).told_to(second)

    assert proposals(first) == proposals(second)
    limit = data.draw(st.integers(1, 3))
    for worker_id in some.WORKERS:
        assert first.propose(worker_id, limit) == second.propose(worker_id, limit)
        known = [row for row in second.explain_worker(worker_id) if row[0] in lanes]
        assert first.explain_worker(worker_id) == known
    for lane in lanes:
        assert first.offer(lane, some.WORKERS) == second.offer(lane, some.WORKERS)


@law
@given(
    world=worlds,
    late=st.tuples(some.wishes, st.sampled_from(some.CUSTOMERS)),
    level=st.integers(1, 3),
)
def test_a_later_job_of_lower_priority_makes_no_place_worse(
    implementation: str, world: World, late: tuple[dict[str, Any], str], level: int
) -> None:
    first, second = new(implementation), new(implementation)

    # A job beyond the lane of its like does not become its head, so it gets a lane of its own.
    lanes = world.told_to(first)
    later = world._replace(queue=[*world.queue, (*late, level * LEVEL)])
    if later.told_to(second)[-1] in lanes:
        return

    for worker_id in some.WORKERS:
        before = first.propose(worker_id, 99)
        after = second.propose(worker_id, 99)
        ahead = list(itertools.takewhile(lambda it: it.rank < level * LEVEL, before))
        assert after[: len(ahead)] == ahead
        if world.policy[0] == "fifo":
            assert [it for it in after if it in before] == before


@law
@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    costs=st.lists(st.integers(1, 50), min_size=1, max_size=3),
    picks=st.integers(1, 60),
)
def test_fair_shares_stay_within_one_job_of_their_weights(
    implementation: str, weights: list[int], costs: list[int], picks: int
) -> None:
    """All are backlogged, the first floods with every shape; a pick advances its customer as the script does."""
    scene = Scene(new(implementation))
    scene.worker("w", {"services": [{"name": f"s{i}"} for i in range(len(costs))]})
    scene.matcher.configure("fair", "best_fit", (35, 25, 15, 10, 5, 5, 5))
    backlog = [(i, 0) for i in range(len(costs))]
    backlog += [(customer % len(costs), customer) for customer in range(1, len(weights))]
    cost = {
        scene.lane({"service_type": f"s{i}"}, str(customer)): costs[i] for i, customer in backlog
    }
    had = dict.fromkeys(map(str, range(len(weights))), 0)

    for _ in range(picks):
        (pick,) = scene.matcher.propose("w", 1)
        customer = pick.lane.partition(":")[2]
        had[customer] += cost[pick.lane]
        time = had[customer] * 1_000_000 // weights[int(customer)]
        scene.customer(customer, virtual_time=time)

    shares = [had[str(i)] / weight for i, weight in enumerate(weights)]
    assert max(shares) - min(shares) <= max(costs) / min(weights) + 1e-6


def test_any_order_of_telling_ends_alike(implementation: str) -> None:
    tellings: list[Callable[[Scene], object]] = [
        lambda scene: scene.worker("w", labels={"k": 1}),
        lambda scene: scene.lane({}, "a", rank=3),
        lambda scene: scene.lane({"prefer": [{"key": "k", "op": "exists", "weight": 1}]}, "b", rank=4),
        lambda scene: scene.customer("a", virtual_time=5),
        lambda scene: scene.pause(("customer", "c")),
        lambda scene: scene.matcher.configure("fair", "headroom", (35, 25, 15, 10, 5, 5, 5)),
    ]  # fmt: skip
    answers: set[str] = set()

    for order in itertools.permutations(tellings):
        scene = Scene(new(implementation))
        for tell in order:
            tell(scene)
        found = scene.matcher.propose("w", 9)
        answers.add(repr([(it.lane, it.rank, it.score) for it in found]))

    assert len(answers) == 1
    assert ":b', 4, 9600)" in answers.pop()
