"""Requirements, capabilities and entries from a small vocabulary, so that pairs often nearly match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

CUSTOMERS = ("", "a", "b:!")
WORKERS = ("w1", "w2", "w3", "W,4")
TYPES = ("t", "u")

services = st.sampled_from(("s", "t"))
names = st.sampled_from(("c", "d"))
models = st.lists(st.sampled_from(("m", "n", "d/m", "d\\m")), max_size=3)
regions = st.sampled_from(("eu", "eu-west", "eu-west-1", "us", "usa"))
rules = st.lists(st.sampled_from(("gdpr", "hipaa")), max_size=2)
levels = st.sampled_from(("none", "loose", "strict"))
qualities = st.sampled_from(("fast", "balanced", "quality"))
tiers = st.sampled_from(("economy", "standard", "premium"))
gpus = st.sampled_from(("A", "a", "B"))
sizes = st.sampled_from((1, 8, 23.9996, 24, 48))
scalars = st.sampled_from(("x", "y", True, False, 0, 1, 0.001, -2.5))
labels = scalars | st.lists(st.sampled_from(("x", "y", "z")), max_size=2)
keys = st.sampled_from(("k", "j"))
attributes = st.sampled_from(
    (
        "k", "hardware.gpu_memory_gb", "hardware.gpu_count", "hardware.gpu_model", "location.region",
        "location.compliance", "cost.tier", "cost.rate_per_hour", "performance.quality_levels",
        "customer_access.isolation", "services", "components", "workflows", "worker_id",
    )
)  # fmt: skip
words = st.sampled_from(
    ("x", "y", "A", "all", "s", "c", "eu", "fast", "none", "standard", "w1", 1, 24)
)
customers = st.lists(st.sampled_from(CUSTOMERS), max_size=2)


def some(required: dict[str, Any] | None = None, **optional: st.SearchStrategy[Any]) -> Any:
    """An object with some of these members, each about as likely missing as there."""
    return st.fixed_dictionaries(required or {}, optional=optional)


def condition(key: st.SearchStrategy[str], operand: st.SearchStrategy[Any]) -> Any:
    """A constraint; with `weight` added, a preference."""
    listed = st.lists(operand.filter(lambda it: not isinstance(it, list)), min_size=1, max_size=3)
    number = st.sampled_from((0, 1, 24, -2.5))
    return st.one_of(
        st.fixed_dictionaries({"key": key, "op": st.sampled_from(("eq", "ne")), "value": operand | listed}),
        st.fixed_dictionaries({"key": key, "op": st.sampled_from(("in", "not_in", "contains_all")), "value": listed}),
        st.fixed_dictionaries({"key": key, "op": st.sampled_from(("gt", "ge", "lt", "le")), "value": number}),
        st.fixed_dictionaries({"key": key, "op": st.sampled_from(("exists", "not_exists"))}),
    )  # fmt: skip


constraints = st.lists(condition(keys, labels), max_size=2)
preferences = st.lists(
    st.builds(
        lambda wish, weight: {**wish, "weight": weight},
        condition(attributes, words),
        st.integers(-100, 100).filter(bool),
    ),
    max_size=3,
)
hardware = some(
    gpu_memory_gb=sizes, gpu_count=sizes, cpu_cores=sizes, ram_gb=sizes, storage_gb=sizes
)
some_gpus = st.lists(gpus, min_size=1, max_size=3)
some_regions = st.lists(regions, min_size=1, max_size=2)

unwanted = some(
    service_type=services,
    component=names,
    workflow=names,
    models=models,
    hardware=some(gpu_memory_gb=sizes, ram_gb=sizes, gpu_model=some_gpus),
    geographic_region=some_regions,
    compliance=rules,
    quality_level=qualities,
    cost_tier=tiers,
    constraints=constraints,
)
DEMANDS = {
    "service_type": services,
    "component": names,
    "workflow": names,
    "models": models,
    "hardware": hardware,
    "customer_isolation": levels,
    "geographic_region": some_regions | regions,
    "compliance": rules,
    "quality_level": qualities,
    "cost_tier": tiers,
    "timeout_minutes": sizes,
    "constraints": constraints,
    "not": unwanted,
    "prefer": preferences,
}


def _legal(sent: dict[str, Any]) -> dict[str, Any]:
    """Without what 422 refuses: models need a service."""
    if "service_type" not in sent:
        sent.pop("models", None)
        sent.get("not", {}).pop("models", None)
    if "quality_level" in sent and len(sent) % 2:
        sent["quality_required"] = True
    return sent


def chosen(table: dict[str, st.SearchStrategy[Any]], most: int) -> Any:
    """At most `most` members of the table: many demands at once match nobody."""
    names = st.lists(st.sampled_from(sorted(table)), max_size=most, unique=True)
    return names.flatmap(
        lambda some_names: st.fixed_dictionaries({name: table[name] for name in some_names})
    )


requirements = chosen(DEMANDS, 4).map(_legal)
_rarely_broken = ("component", "workflow", "quality_level", "constraints", "not", "cost_tier")
#: Few demands, so that most workers are eligible and their scores count.
wishes = st.builds(
    lambda demands, prefer: _legal({**demands, "prefer": prefer}),
    chosen({key: DEMANDS[key] for key in _rarely_broken}, 2),
    preferences,
)

_service = {"name": services, "models": models | st.just("all")}
service = some(
    _service,
    loaded=models,
    healthy=st.integers(0, 9).map(bool),
    capacity=st.integers(1, 2),
)
_lists = st.lists(names, max_size=2) | st.just("all")
_types = st.lists(st.sampled_from(TYPES), max_size=2)
capabilities = some(
    {
        "services": st.lists(service, min_size=1, max_size=2, unique_by=lambda it: it["name"]),
        "performance": some(
            {"concurrent_jobs": st.sampled_from((3, 4, 4, 2, 1))},
            quality_levels=st.lists(qualities, max_size=2),
            max_processing_time_minutes=sizes,
        ),
        "location": some({"region": regions}, compliance=rules),
    },
    components=_lists,
    workflows=_lists,
    job_types=st.just(list(TYPES)) | _types | st.just("all"),
    hardware=some(
        gpu_memory_gb=sizes, gpu_count=sizes, cpu_cores=sizes, ram_gb=sizes, storage_gb=sizes, gpu_model=gpus
    ),
    customer_access=some(
        isolation=levels,
        allowed_customers=customers | st.just("all"),
        denied_customers=customers,
        max_concurrent_customers=st.integers(1, 2),
    ),
    cost=some(tier=tiers, rate_per_hour=sizes),
    labels=some(k=labels, j=labels),
    affinity=some(
        preferred_types=_types,
        preferred_customers=customers,
        preferred_components=st.lists(names, max_size=2),
        avoided_types=_types,
        avoided_customers=customers,
        avoided_components=st.lists(names, max_size=2),
    ),
)  # fmt: skip

held = st.lists(
    st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(("", "s", "t")), st.integers(0, 1)),
    max_size=2,
)
states = st.sampled_from(("online", "online", "online", "draining", "offline"))
avoided = st.sets(st.sampled_from(WORKERS[:3]), max_size=2).map(sorted)
percent = st.integers(0, 100)

#: Of two priorities, so that score and fair decide within one.
ranks = st.builds(lambda level, place: (level << 46) + place, st.integers(0, 1), st.integers(0, 3))
policies = st.tuples(
    st.sampled_from(("fifo", "score", "fair")),
    st.sampled_from(("best_fit", "headroom")),
    st.sampled_from(
        (
            (35, 25, 15, 10, 5, 5, 5), (0, 100, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 100), (15, 15, 14, 14, 14, 14, 14),
        )
    ),
)  # fmt: skip
_scopes = {"worker": WORKERS, "service": ("s", "t", ""), "type": TYPES, "customer": CUSTOMERS}
_pause = st.one_of(
    *(st.tuples(st.just(scope), st.sampled_from(names)) for scope, names in _scopes.items())
).map(list)
pauses = st.lists(_pause, max_size=2)
customer_entries = st.tuples(
    st.sampled_from(CUSTOMERS),
    st.integers(1, 100),
    st.sampled_from((-1, -1, 0, 1, 2)),
    st.integers(0, 2),
    st.sampled_from((0, 1, 2, 2**53 - 1)),
).map(list)
_some_pauses = st.just(0) | pauses
#: The last two parts of an entry, or none.
limits = st.just(()) | st.tuples(_some_pauses, st.lists(customer_entries, max_size=2))
