"""What the index makes of entries and documents, and the order in which it answers."""

from __future__ import annotations

import pytest

from empq.matching.interface import Matcher
from empq.model.shape import lane_id
from scene import Scene, entry


def test_the_best_head_comes_first_then_the_member_bytewise(scene: Scene) -> None:
    scene.worker()
    lanes = [
        scene.lane({}, customer, rank=rank, member=member)
        for customer, rank, member in [("a", 7, "b"), ("b", 7, "B"), ("c", 2**53, "a"), ("d", 0, "é"), ("e", 0, "z")]
    ]  # fmt: skip

    proposals = scene.matcher.propose("w", 10)

    assert [it.lane for it in proposals] == [lanes[i] for i in (4, 3, 1, 0, 2)]
    assert [(it.rank, it.member) for it in proposals[:2]] == [(0, "z"), (0, "é")]
    assert {it.score for it in proposals} == {7600}
    assert scene.matcher.propose("w", 2) == proposals[:2]
    assert scene.matcher.propose("w", 0) == []
    assert scene.matcher.propose("w", -1) == []
    assert scene.matcher.propose("w", -(2**70)) == []
    assert scene.matcher.propose("w", 2**70) == proposals


def test_an_offer_goes_to_the_highest_score_then_the_longest_idle_then_the_id(
    scene: Scene,
) -> None:
    scene.worker("poor", cost={"tier": "premium"}, idle_since_ms=1)
    scene.worker("late", idle_since_ms=5)
    scene.worker("b", idle_since_ms=4)
    scene.worker("a", idle_since_ms=4)
    scene.worker("best", cost={"tier": "economy"}, idle_since_ms=9)
    scene.worker("full", held=[("", "", 0)])
    lane = scene.lane({}, count=0)

    waiting = ["poor", "late", "nobody", "b", "full", "a", "best"]

    assert scene.matcher.offer(lane, waiting) == ["best", "a", "b", "late", "poor"]
    assert scene.matcher.offer(lane, ["late"]) == ["late"]
    assert scene.matcher.offer(lane, []) == []
    assert scene.matcher.offer(lane_id("unknown", ""), waiting) == []


def test_a_worker_takes_part_from_its_entry_until_it_is_offline(matcher: Matcher) -> None:
    scene = Scene(matcher)
    lane = scene.lane({})
    scene.apply(workers=[["w", 1, "online", 0, []]])
    assert matcher.propose("w", 1) == []
    assert matcher.explain_worker("w") == []
    assert scene.verdicts() == []

    scene.worker("w")
    assert [it.lane for it in matcher.propose("w", 1)] == [lane]

    scene.apply(workers=[["w", 1, "draining", 0, []]])
    assert matcher.propose("w", 1) == []
    assert scene.rules() == ["draining"]

    scene.apply(workers=[["w", 1, "offline", 0, []]])
    assert matcher.propose("w", 1) == []
    assert scene.verdicts() == []
    assert matcher.figures().workers == 0

    scene.apply(workers=[["w", 1, "online", 0, []]])
    matcher.remove_worker("w")
    assert matcher.propose("w", 1) == []
    assert scene.verdicts() == []


def test_entries_may_come_twice_late_or_ahead(matcher: Matcher) -> None:
    scene = Scene(matcher)
    lane = scene.lane({}, count=3)
    scene.worker()

    def count() -> int:
        return matcher.figures().jobs

    matcher.apply([entry(9, [[lane, 1, "a", 2]])])
    assert count() == 2
    matcher.apply([entry(9, [[lane, 1, "a", 5]]), entry(8, [[lane, 1, "a", 6]])])
    assert count() == 2
    matcher.apply([entry(10, [[lane, 0, "", 0]])])
    assert count() == 0
    matcher.apply([entry(9, [[lane, 1, "a", 1]], [["w", 0, "draining", 0, []]])])
    assert count() == 0
    assert scene.rules() == ["draining"]
    matcher.apply([entry(5, [], [["w", 0, "offline", 0, []]])])
    assert scene.rules() == ["draining"]


def test_an_emptied_lane_keeps_its_number_until_10000_later_ones_have_passed(
    matcher: Matcher,
) -> None:
    scene = Scene(matcher)
    lane = scene.lane({}, count=0)
    matcher.apply([entry(100, [[lane, 0, "", 0]])])

    matcher.apply([entry(100 + 9_999)])
    matcher.apply([entry(99, [[lane, 0, "a", 1]])])
    assert matcher.figures().jobs == 0

    matcher.apply([entry(100 + 10_000)])
    matcher.apply([entry(99, [[lane, 0, "a", 1]])])
    assert matcher.figures().jobs == 1


def test_applied_tells_what_grew_what_is_unknown_and_what_is_stale(matcher: Matcher) -> None:
    scene = Scene(matcher)
    first, second = scene.lane({}, "a", count=0), scene.lane({}, "b", count=2, rank=5)
    unknown, emptied = lane_id("unknown", "a"), lane_id("emptied", "a")
    matcher.set_worker("new", 3, b'{"services":[]}')
    workers = [["new", 3, "online", 0, []], ["old", 1, "online", 0, []]]
    lanes = [[second, 6, "x", 1], [unknown, 8, "x", 1], [first, 7, "x", 1], [emptied, 0, "", 0]]

    applied = matcher.apply([entry(50, lanes, workers), entry(51)])

    assert applied.grown == [first, unknown]
    assert applied.missing_shapes == ["unknown"]
    assert applied.stale_workers == ["old"]
    assert applied.last_number == 51
    assert matcher.apply([]) == ([], [], [], 0)
    assert matcher.apply([entry(60, [], [["new", 4, "online", 0, []]])]).stale_workers == ["new"]


def test_lanes_of_an_unknown_shape_take_no_part_until_it_is_known(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker()
    lane = lane_id("later", "a:b!c")
    scene.apply(lanes=[[lane, 1, "a", 2]])
    assert matcher.propose("w", 1) == []
    assert matcher.explain_worker("w") == []
    assert matcher.figures().jobs == 2

    matcher.add_shape("later", b'{"isolation":0}')
    matcher.add_shape("later", b'{"service":"none","isolation":0}')
    assert [it.lane for it in matcher.propose("w", 1)] == [lane]
    assert matcher.explain_worker("w") == [(lane, 2, [])]


def test_a_document_of_an_older_version_changes_nothing(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker()
    matcher.set_worker("w", 7, b'{"services":[{"name":"seven"}]}')
    matcher.set_worker("w", 6, b'{"services":[{"name":"six"}]}')

    assert scene.rules({"service_type": "seven"}) == []
    assert scene.rules({"service_type": "six"}) == ["service_type"]


def test_reset_keeps_shapes_and_capabilities_only(matcher: Matcher) -> None:
    scene = Scene(matcher)
    scene.worker()
    lane = scene.lane({})

    matcher.reset()

    assert matcher.propose("w", 1) == []
    assert matcher.figures()[:2] == (0, 0)
    assert matcher.figures().workers == 0
    matcher.apply([entry(1, [[lane, 1, "a", 1]], [["w", 0, "online", 0, []]])])
    assert [it.lane for it in matcher.propose("w", 1)] == [lane]


def test_explain_worker_tells_every_lane_by_its_id(scene: Scene) -> None:
    scene.worker(held=[("", "s", 0)], performance={"concurrent_jobs": 1})
    lanes = [
        scene.lane({}, "a", count=2),
        scene.lane({"service_type": "x"}, "b"),
        scene.lane({}, "c", count=0),
    ]

    assert scene.matcher.explain_worker("w") == sorted(
        [(lanes[0], 2, ["slots"]), (lanes[1], 1, ["service_type", "slots"])]
    )
    assert scene.matcher.explain_worker("nobody") == []


MALFORMED = [
    b"",
    b"\xc1",
    entry(1)[:-1],
    entry(-1),
    entry(1, ["lane"]),
    entry(1, [["no colon", 0, "a", 1]]),
    entry(1, [["b:c", 0, "a"]]),
    entry(1, [["b:c", 0, "a", 1, 1]]),
    entry(1, [["b!:c", 0, "a", 1]]),
    entry(1, [[":c", 0, "a", 1]]),
    entry(1) + b"\x00",
    entry(1, [["b:c", 0.5, "a", 1]]),
    entry(1, [["b:c", 0, None, 1]]),
    entry(1, [["b:c", 0, "a", -1]]),
    entry(1, [["b:c", 0, "a", 2**32]]),
    entry(1, [["b:c", 2**63, "a", 1]]),
    entry(1, [], [["w", 1, "asleep", 0, []]]),
    entry(1, [], [["w", 1, "online", 0, [["c", "s"]]]]),
    entry(1, [], [["w", 1, "online", 0, [["c", "s", 2]]]]),
    entry(1, [], [], 0),
    entry(1, [], [], 0, [], 0),
    entry(1, [], [], 1, []),
    entry(1, [], [], None, []),
    entry(1, [], [], 0, None),
    entry(1, [], [], 0, 0),
    entry(1, [], [], [["pool", "a"]], []),
    entry(1, [], [], [["worker"]], []),
    entry(1, [], [], [["worker", "a", 1]], []),
    entry(1, [], [], [["worker", 1]], []),
    entry(1, [], [], 0, [["c", 1, -1, 0]]),
    entry(1, [], [], 0, [["c", 1, -1, 0, 0, 0]]),
    entry(1, [], [], 0, [["c", -1, -1, 0, 0]]),
    entry(1, [], [], 0, [["c", 1, -2, 0, 0]]),
    entry(1, [], [], 0, [["c", 1, -1, -1, 0]]),
    entry(1, [], [], 0, [["c", 1, -1, 0, -1]]),
    entry(1, [], [], 0, [["c", 1, -1, 0, 2**63]]),
    entry(1, [], [], 0, [["c", 1.5, -1, 0, 0]]),
]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_of_a_batch_with_a_malformed_entry_nothing_is_applied(
    matcher: Matcher, malformed: bytes
) -> None:
    with pytest.raises(ValueError, match="entry 1"):
        matcher.apply([entry(1, [["b:c", 0, "a", 1]]), malformed])

    assert matcher.figures().jobs == 0
    assert matcher.apply([entry(1, [["b:c", 0, "a", 1]])]).grown == ["b:c"]


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b'{"gpu":1}', b'{"isolation":9}', b'{"models":1}', b'{"hardware":{"gpus":1}}'],
)
def test_a_malformed_document_is_refused_and_changes_nothing(
    matcher: Matcher, document: bytes
) -> None:
    scene = Scene(matcher)
    scene.worker()

    with pytest.raises(ValueError):
        matcher.add_shape("x", document)
    with pytest.raises(ValueError):
        matcher.explain(document, "", [])
    with pytest.raises(ValueError):
        matcher.set_worker("w", 9, document)

    assert scene.rules({"service_type": "s"}) == []
    assert matcher.figures().shapes == 0


def test_explain_without_workers_is_empty_and_in_order_of_ids_else(scene: Scene) -> None:
    assert scene.verdicts() == []

    for worker_id in ("b", "a", "B", "a.1"):
        scene.worker(worker_id)

    assert [it.worker_id for it in scene.verdicts()] == ["B", "a", "a.1", "b"]


def test_the_structure_stays_consistent(scene: Scene) -> None:
    scene.worker()
    scene.lane({"component": "c"})
    scene.lane({}, count=0)

    assert scene.matcher.check() == []
