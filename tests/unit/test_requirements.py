"""model/requirements.py: what is accepted, what is refused and where, and the shape document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from empq.errors import BadJson, EmpqError, InvalidField, TooLarge, UnknownField
from empq.model.requirements import decode_requirements, job_shape, resolve_timeout


def document(
    sent: dict[str, Any], job_type: str | None = None, seconds: float | None = None
) -> Any:
    return json.loads(decode_requirements(sent).document(job_type, seconds))


def refusal(sent: Any) -> tuple[str, str, str]:
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    with pytest.raises((InvalidField, UnknownField, TooLarge)) as caught:
        decode_requirements(raw)
    (error,) = caught.value.errors
    return caught.value.code, error.pointer, error.detail


def test_nothing_sent_demands_nothing() -> None:
    for raw in (None, b"null", b" null ", {}, b"{}"):
        assert json.loads(decode_requirements(raw).document(None)) == {"isolation": 0}


def test_every_key_reaches_the_document_scaled_and_in_the_order_sent() -> None:
    sent = {
        "service_type": "comfyui",
        "component": "upscale",
        "workflow": "flux",
        "models": ["b\\x", "a"],
        "hardware": {
            "gpu_memory_gb": 23.5,
            "gpu_count": 2,
            "cpu_cores": 0,
            "gpu_model": "RTX 4090",
        },
        "customer_isolation": "strict",
        "geographic_region": "eu",
        "compliance": ["hipaa", "gdpr"],
        "quality_level": "quality",
        "quality_required": True,
        "cost_tier": "standard",
        "timeout_minutes": 1.5,
        "constraints": [
            {"key": "vram.kind", "op": "in", "value": ["b", "a", True, 1.5]},
            {"key": "ssd", "op": "exists"},
        ],
        "not": {"hardware": {"gpu_model": ["A", "a"], "ram_gb": 512}, "component": "x"},
        "prefer": [
            {"key": "hardware.ram_gb", "op": "ge", "value": 64, "weight": 10},
            {"key": "hardware.gpu_model", "op": "eq", "value": "RTX", "weight": -1},
            {"key": "disk_gb", "op": "ge", "value": 64, "weight": 100},
        ],
    }

    assert document(sent, "render") == {
        "type": "render",
        "service": "comfyui",
        "component": "upscale",
        "workflow": "flux",
        "models": ["b/x", "a"],
        "hardware": {"gpu_memory_gb": 24064, "gpu_count": 2000},
        "gpu_model": ["rtx 4090"],
        "isolation": 2,
        "region": ["eu"],
        "compliance": ["hipaa", "gdpr"],
        "quality_level": "quality",
        "quality_required": True,
        "cost_tier": 1,
        "timeout_minutes": 1500,
        "constraints": [
            {"key": "vram.kind", "op": "in", "value": ["b", "a", True, 1500]},
            {"key": "ssd", "op": "exists"},
        ],
        "not": {"component": "x", "hardware": {"ram_gb": 524288}, "gpu_model": ["a", "a"]},
        "prefer": [
            {"key": "hardware.ram_gb", "op": "ge", "value": 65536, "weight": 10},
            {"key": "hardware.gpu_model", "op": "eq", "value": "rtx", "weight": -1},
            {"key": "disk_gb", "op": "ge", "value": 64000, "weight": 100},
        ],
    }
    assert decode_requirements(sent).sent is sent
    assert decode_requirements(sent).is_strict
    assert decode_requirements(sent).service_type == "comfyui"


def test_empty_lists_null_and_false_demand_nothing() -> None:
    sent = {
        "models": [],
        "compliance": [],
        "constraints": [],
        "prefer": [],
        "not": {"models": [], "component": None},
        "quality_required": False,
        "hardware": {"gpu_memory_gb": 0, "ram_gb": 0.0001, "gpu_model": None},
        "timeout_minutes": None,
    }

    assert document(sent) == {"isolation": 0}


CONDITION = {"key": "k", "op": "eq", "value": 1}

REFUSED: list[tuple[Any, str, str]] = [
    ({"gpu": 1}, "unknown_field", "/gpu"),
    ({"hardware": {"gpu_memory": 1}}, "unknown_field", "/hardware/gpu_memory"),
    ({"a/b~c": 1}, "unknown_field", "/a~1b~0c"),
    ([], "invalid_field", ""),
    ("x", "invalid_field", ""),
    ({"service_type": ""}, "invalid_field", "/service_type"),
    ({"service_type": ["a"]}, "invalid_field", "/service_type"),
    ({"component": "all"}, "invalid_field", "/component"),
    ({"workflow": "all"}, "invalid_field", "/workflow"),
    ({"models": ["m"]}, "invalid_field", "/models"),
    ({"service_type": "s", "models": "m"}, "invalid_field", "/models"),
    ({"service_type": "s", "models": ["m", "all"]}, "invalid_field", "/models/1"),
    ({"service_type": "s", "models": [""]}, "invalid_field", "/models/0"),
    ({"service_type": "s", "models": [None]}, "invalid_field", "/models/0"),
    ({"service_type": "s", "models": ["m"] * 10_001}, "too_large", "/models"),
    ({"hardware": []}, "invalid_field", "/hardware"),
    ({"hardware": {"gpu_memory_gb": "24"}}, "invalid_field", "/hardware/gpu_memory_gb"),
    ({"hardware": {"gpu_memory_gb": True}}, "invalid_field", "/hardware/gpu_memory_gb"),
    ({"hardware": {"gpu_memory_gb": -1}}, "invalid_field", "/hardware/gpu_memory_gb"),
    ({"hardware": {"gpu_memory_gb": 1_000_001}}, "invalid_field", "/hardware/gpu_memory_gb"),
    ({"hardware": {"gpu_count": 2**65}}, "invalid_field", "/hardware/gpu_count"),
    ({"hardware": {"gpu_model": []}}, "invalid_field", "/hardware/gpu_model"),
    ({"hardware": {"gpu_model": 4090}}, "invalid_field", "/hardware/gpu_model"),
    ({"hardware": {"gpu_model": ["a", ""]}}, "invalid_field", "/hardware/gpu_model/1"),
    ({"customer_isolation": "Strict"}, "invalid_field", "/customer_isolation"),
    ({"geographic_region": []}, "invalid_field", "/geographic_region"),
    ({"geographic_region": ""}, "invalid_field", "/geographic_region"),
    ({"compliance": "gdpr"}, "invalid_field", "/compliance"),
    ({"quality_level": "best"}, "invalid_field", "/quality_level"),
    ({"quality_required": True}, "invalid_field", "/quality_required"),
    ({"quality_level": "fast", "quality_required": 1}, "invalid_field", "/quality_required"),
    ({"cost_tier": 1}, "invalid_field", "/cost_tier"),
    ({"timeout_minutes": 0}, "invalid_field", "/timeout_minutes"),
    ({"timeout_minutes": -1}, "invalid_field", "/timeout_minutes"),
    ({"timeout_minutes": "5"}, "invalid_field", "/timeout_minutes"),
    ({"constraints": {}}, "invalid_field", "/constraints"),
    ({"constraints": [1]}, "invalid_field", "/constraints/0"),
    ({"constraints": [CONDITION] * 1001}, "too_large", "/constraints"),
    ({"constraints": [CONDITION, {"key": "k"}]}, "invalid_field", "/constraints/1/op"),
    ({"constraints": [{**CONDITION, "op": "=="}]}, "invalid_field", "/constraints/0/op"),
    ({"constraints": [{**CONDITION, "op": ["eq"]}]}, "invalid_field", "/constraints/0/op"),
    ({"constraints": [{"op": "exists"}]}, "invalid_field", "/constraints/0/key"),
    ({"constraints": [{**CONDITION, "key": ""}]}, "invalid_field", "/constraints/0/key"),
    ({"constraints": [{**CONDITION, "key": []}]}, "invalid_field", "/constraints/0/key"),
    ({"constraints": [{**CONDITION, "value": ""}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "value": None}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "value": {}}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "value": 10**12 + 1}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "op": "gt", "value": "1"}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "op": "gt", "value": True}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "op": "in", "value": []}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "op": "in", "value": "a"}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "op": "in", "value": [[1]]}]}, "invalid_field", "/constraints/0/value/0"),
    ({"constraints": [{**CONDITION, "op": "contains_all", "value": ["a", ""]}]}, "invalid_field", "/constraints/0/value/1"),
    ({"constraints": [{**CONDITION, "op": "exists"}]}, "invalid_field", "/constraints/0/value"),
    ({"constraints": [{**CONDITION, "weight": 1}]}, "unknown_field", "/constraints/0/weight"),
    ({"not": []}, "invalid_field", "/not"),
    ({"not": {"not": {}}}, "invalid_field", "/not/not"),
    ({"not": {"prefer": []}}, "invalid_field", "/not/prefer"),
    ({"not": {"timeout_minutes": 1}}, "invalid_field", "/not/timeout_minutes"),
    ({"not": {"gpu": 1}}, "unknown_field", "/not/gpu"),
    ({"not": {"models": ["m"]}}, "invalid_field", "/not/models"),
    ({"not": {"service_type": "s", "models": ["m"]}}, "invalid_field", "/not/models"),
    ({"not": {"hardware": {"ram_gb": 0}}}, "invalid_field", "/not/hardware/ram_gb"),
    ({"not": {"hardware": {"ram_gb": 0.0001}}}, "invalid_field", "/not/hardware/ram_gb"),
    ({"not": {"geographic_region": []}}, "invalid_field", "/not/geographic_region"),
    ({"prefer": [CONDITION]}, "invalid_field", "/prefer/0/weight"),
    ({"prefer": [{**CONDITION, "weight": 0}]}, "invalid_field", "/prefer/0/weight"),
    ({"prefer": [{**CONDITION, "weight": 101}]}, "invalid_field", "/prefer/0/weight"),
    ({"prefer": [{**CONDITION, "weight": 1.0}]}, "invalid_field", "/prefer/0/weight"),
    ({"prefer": [{**CONDITION, "weight": True}]}, "invalid_field", "/prefer/0/weight"),
    ({"prefer": [{**CONDITION, "key": [], "weight": 1}]}, "invalid_field", "/prefer/0/key"),
    (b'{"hardware":{"ram_gb":1e400}}', "invalid_field", "/hardware/ram_gb"),
    (b'{"hardware":{"ram_gb":' + b"9" * 6000 + b"}}", "invalid_field", "/hardware/ram_gb"),
    (b'{"component":"\\ud800"}', "invalid_field", "/component"),
    (b'{"component":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_field", ""),
    (b'{"component":"' + b"x" * (1 << 20) + b'"}', "too_large", ""),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code", "pointer"), REFUSED, ids=lambda v: str(v)[:40])
def test_refuses_with_the_pointer_of_the_value(sent: Any, code: str, pointer: str) -> None:
    assert refusal(sent)[:2] == (code, "/requirements" + pointer)


def test_the_detail_has_the_value_and_the_rule() -> None:
    assert refusal({"hardware": {"gpu_memory_gb": -1}})[2] == "-1 must be a number in 0..1000000"
    assert refusal({"cost_tier": "cheap"})[2] == (
        '"cheap" must be one of economy, standard, premium'
    )
    assert refusal(b'{"timeout_minutes":1e999}')[2].startswith("a number out of range must be")
    assert refusal({"hardware": {"ram_gb": 2**65}})[2].startswith("a number out of range must be")
    assert len(refusal({"cost_tier": "x" * 10_000})[2]) < 150


def test_nan_and_garbage_are_not_json() -> None:
    for raw in (b'{"timeout_minutes":NaN}', b"{", b"", b"\xff", b'{"component":"\xff"}'):
        with pytest.raises(BadJson):
            decode_requirements(raw)
    with pytest.raises(InvalidField):
        decode_requirements({"timeout_minutes": float("nan")})


def test_errors_name_the_pointer_of_the_caller() -> None:
    with pytest.raises(InvalidField) as caught:
        decode_requirements(b'{"component":1}', "/jobs/17/requirements")
    assert caught.value.errors[0].pointer == "/jobs/17/requirements/component"

    with pytest.raises(InvalidField) as caught:
        job_shape(b'{"timeout_minutes":1}', "t", 61, "/jobs/3")
    assert caught.value.errors[0].pointer == "/jobs/3/timeout_seconds"


def test_equal_demands_have_one_shape() -> None:
    first = {
        "service_type": "s",
        "models": ["b", "a", "b"],
        "hardware": {"ram_gb": 1, "gpu_count": 1.0},
        "geographic_region": ["eu"],
        "constraints": [
            {"key": "a", "op": "in", "value": ["x", "y"]},
            {"op": "exists", "key": "b"},
        ],
    }
    second = {
        "constraints": [{"key": "b", "op": "exists"}, {"value": ["y", "x", "y"], "key": "a", "op": "in"}],
        "compliance": [],
        "hardware": {"gpu_count": 1, "ram_gb": 1.0, "cpu_cores": 0},
        "geographic_region": "eu",
        "models": ["a", "b"],
        "service_type": "s",
        "customer_isolation": "none",
    }  # fmt: skip

    shapes = {decode_requirements(sent).canonical("t") for sent in (first, second)}

    (shape,) = shapes
    assert len(shape.base) == 22
    assert ":" not in shape.base
    assert "!" not in shape.base


def test_different_demands_have_different_shapes() -> None:
    value = [{"key": "k", "op": "eq", "value": item} for item in (1, True, "1", [1], [True], ["1"])]
    bases = {decode_requirements({"constraints": [item]}).canonical("t").base for item in value}
    bases |= {decode_requirements({}).canonical(kind).base for kind in ("t", "u", None)}
    bases.add(decode_requirements({}).canonical("t", 60).base)
    bases.add(decode_requirements({"not": {"component": "c"}}).canonical("t").base)
    bases.add(decode_requirements({"component": "c"}).canonical("t").base)

    assert len(bases) == 12


def test_a_stated_timeout_seconds_is_compared_by_its_sixtieth() -> None:
    nothing = decode_requirements({})
    minutes = decode_requirements({"timeout_minutes": 0.7})

    assert resolve_timeout(nothing, None) == (1800.0, None)
    assert resolve_timeout(nothing, 100) == (100.0, 1667)
    assert resolve_timeout(minutes, None) == (42.0, 700)
    assert resolve_timeout(minutes, 42) == (42.0, 700)
    assert document({}, seconds=100)["timeout_minutes"] == 1667
    with pytest.raises(InvalidField) as caught:
        resolve_timeout(minutes, 43)
    assert caught.value.errors[0].pointer == "/timeout_seconds"


def test_a_repeat_of_equal_bytes_is_one_look_up() -> None:
    raw = json.dumps({"component": "c"}).encode()

    assert job_shape(raw, "t", None)[1] is job_shape(bytes(bytearray(raw)), "t", None)[1]
    assert job_shape(raw, "t", None)[1] != job_shape(raw, "u", None)[1]


def test_the_largest_requirements_take_linear_time() -> None:
    big = {"key": "k", "op": "in", "value": [f"v{i}" for i in range(10_000)]}

    read = decode_requirements({"constraints": [big] * 20})

    # A quadratic pass over these 200,000 strings would not end within the test's time limit.
    assert len(read.canonical("t").base) == 22


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "op", "value", "weight", "ram_gb", "gpu_model", "models", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
KEYS = (
    "service_type", "component", "workflow", "models", "hardware", "customer_isolation",
    "geographic_region", "compliance", "quality_level", "quality_required", "cost_tier",
    "timeout_minutes", "constraints", "not", "prefer",
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_no_value_gets_past_as_a_traceback(sent: dict[str, Any]) -> None:
    try:
        decode_requirements(sent).canonical("t")
    except EmpqError as error:
        assert error.errors[0].pointer.startswith("/requirements")


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        ({"service": "comfyui"}, "/service: unknown field; did you mean service_type?"),
        ({"location": "eu"}, "/location: unknown field; known here: compliance, component, "),
        (
            {"hardware": {"gpu_memory": 8}},
            "/gpu_memory: unknown field; did you mean gpu_memory_gb?",
        ),
    ],
)
def test_an_unknown_field_is_answered_with_those_that_are_known(
    sent: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UnknownField) as caught:
        decode_requirements(sent)
    assert hint in str(caught.value)
