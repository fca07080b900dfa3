"""The stub of the extension says what the extension is, and both are the interface."""

import ast
import inspect
from pathlib import Path

import pytest

from empq.matching import _rust, interface
from empq.matching.interface import Applied, IndexFigures, Proposal, Verdict

STUB = Path(interface.__file__).with_name("_rust.pyi")
EMPTY_BATCH: list[bytes] = []
#: In a build with `--features panic-probe` only, so the stub has no word of it.
PROBE = "panic_for_test"
WORKER = b'{"services": [{"name": "comfyui", "models": "all"}]}'
#: msgpack of [1, [["b:x", 7, "m", 2]], [["w", 1, "online", 5, []]]]
ENTRY = b"\x93\x01\x91\x94\xa3b:x\x07\xa1m\x02\x91\x95\xa1w\x01\xa6online\x05\x90"


def stub_class() -> ast.ClassDef:
    tree = ast.parse(STUB.read_text())
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def stub_parameters() -> dict[str, list[str]]:
    methods = [node for node in stub_class().body if isinstance(node, ast.FunctionDef)]
    return {
        method.name: [argument.arg for argument in method.args.args]
        for method in methods
        if not method.name.startswith("_")
    }


def parameters(owner: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in vars(owner).items()
        if callable(member) and not name.startswith("_") and name != PROBE
    }


def test_the_stub_names_the_methods_and_parameters_of_the_extension() -> None:
    assert stub_parameters() == parameters(_rust.RustMatcher)


def test_the_extension_has_the_methods_and_parameters_of_the_interface() -> None:
    assert parameters(_rust.RustMatcher) == parameters(interface.Matcher)


def test_the_stub_names_all_that_the_module_has() -> None:
    tree = ast.parse(STUB.read_text())
    annotated = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    named = {target.id for target in annotated if isinstance(target, ast.Name)}

    assert named | {stub_class().name} == set(_rust.__all__)


def test_answers_are_the_interfaces_own_tuples() -> None:
    matcher: interface.Matcher = _rust.RustMatcher()
    matcher.add_shape("b", b'{"service": "comfyui"}')
    matcher.set_worker("w", 1, WORKER)

    assert matcher.apply([ENTRY]) == Applied(["b:x"], [], [], 1)
    proposals = matcher.propose("w", 1)
    verdicts = matcher.explain(b'{"service": "a1111"}', "x", [])

    assert [type(it) for it in proposals] == [Proposal]
    assert (proposals[0].lane, proposals[0].rank, proposals[0].member) == ("b:x", 7, "m")
    assert verdicts == [Verdict("w", ["service_type"], None, None)]
    assert type(verdicts[0]) is Verdict
    assert matcher.figures() == IndexFigures(2, 1, 1, 1, 1)
    assert type(matcher.figures()) is IndexFigures
    assert matcher.offer("b:x", ["w", "unknown"]) == ["w"]
    assert matcher.explain_worker("w") == [("b:x", 2, [])]
    assert matcher.check() == []


def test_a_malformed_entry_is_refused_with_its_place_and_nothing_of_its_batch_is_applied() -> None:
    matcher = _rust.RustMatcher()

    with pytest.raises(ValueError, match="index entry 1: held is not a list"):
        matcher.apply([ENTRY, ENTRY[:-1]])

    assert matcher.apply(EMPTY_BATCH) == Applied([], [], [], 0)
    assert matcher.figures().jobs == 0


#: msgpack of the elements of an entry.
NOTHING, ZERO = b"\x90", b"\x00"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (b"\x94\x01" + NOTHING * 2 + ZERO, "entry has 4 elements, not 3 or 5"),
        (b"\x95\x01" + NOTHING * 2 + b"\x01" + NOTHING, "pauses is neither 0 nor a list"),
        (b"\x95\x01" + NOTHING * 2 + b"\x91\x92\xa3job\xa1x" + NOTHING, 'scope "job" is not'),
        (b"\x95\x01" + NOTHING * 2 + b"\x91\x91\xa4type" + NOTHING, "pause has 1 elements, not 2"),
        (
            b"\x95\x01" + NOTHING * 2 + ZERO + b"\x91\x95\xa1c\x01\xfe\x00\x00",
            "max_active -2 is out of range",
        ),
        (
            b"\x95\x01" + NOTHING * 2 + ZERO + b"\x91\x95\xa1c\x01\xff\x00\xff",
            "virtual_time -1 is out of range",
        ),
    ],
)
def test_a_malformed_part_of_an_entry_is_named(entry: bytes, reason: str) -> None:
    matcher = _rust.RustMatcher()

    with pytest.raises(ValueError, match=f"index entry 0: {reason}"):
        matcher.apply([entry])


@pytest.mark.parametrize(
    ("order", "fit", "weights", "reason"),
    [
        ("lifo", "best_fit", (100, 0, 0, 0, 0, 0, 0), 'order "lifo" is not fifo, score or fair'),
        ("fifo", "worst", (100, 0, 0, 0, 0, 0, 0), 'fit "worst" is not best_fit or headroom'),
        ("fifo", "best_fit", (100, 0, 0, 0, 0, 0), "weights .* are not seven"),
        ("fifo", "best_fit", (99, 0, 0, 0, 0, 0, 0), "that sum to 100"),
        ("fifo", "best_fit", (101, -1, 0, 0, 0, 0, 0), "of 0 to 100"),
    ],
)
def test_a_policy_that_is_none_is_refused(
    order: str, fit: str, weights: tuple[int, ...], reason: str
) -> None:
    matcher = _rust.RustMatcher()

    with pytest.raises(ValueError, match=reason):
        matcher.configure(order, fit, weights)


def test_the_policies_are_those_of_the_interface() -> None:
    matcher: interface.Matcher = _rust.RustMatcher()

    for order in ("fifo", "score", "fair"):
        for fit in ("best_fit", "headroom"):
            matcher.configure(order, fit, [0, 10, 20, 30, 20, 10, 10])


@pytest.mark.skipif(not hasattr(_rust.RustMatcher, PROBE), reason="needs --features panic-probe")
def test_a_panic_is_an_error_and_the_next_call_is_served() -> None:
    matcher = _rust.RustMatcher()

    with pytest.raises(RuntimeError, match="matcher panicked: on purpose"):
        getattr(matcher, PROBE)("on purpose")

    assert matcher.figures().jobs == 0


@pytest.mark.parametrize("document", [b"", b"[]", b'{"unheard_of": 1}', b'{"isolation": 3}'])
def test_a_malformed_document_is_refused_with_its_owner(document: bytes) -> None:
    matcher = _rust.RustMatcher()

    with pytest.raises(ValueError, match="shape document of base7: "):
        matcher.add_shape("base7", document)
    with pytest.raises(ValueError, match="capability document of w3: "):
        matcher.set_worker("w3", 1, document)
    with pytest.raises(ValueError, match="shape document of "):
        matcher.explain(document, "", [])
    assert matcher.figures().shapes == 0
