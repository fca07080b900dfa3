"""The operators of `constraints` and `prefer` over one offered value."""

from __future__ import annotations

from empq.matching.reference.documents import Scalar, Value


def holds(op: str, wanted: Value | None, offered: Value | None) -> bool:
    """Whether the condition holds for what a worker states; None where it states nothing."""
    match op:
        case "exists":
            return offered is not None
        case "not_exists":
            return offered is None
        case "ne":
            return not holds("eq", wanted, offered)
        case "not_in":
            return not holds("in", wanted, offered)
        case "eq":
            return offered is not None and wanted is not None and _equal(wanted, offered)
        case "in":
            return offered is not None and bool(_kinds(wanted) & _kinds(offered))
        case "contains_all":
            return offered is not None and _kinds(wanted) <= _kinds(offered)
        case _:
            return _is_number(offered) and _is_number(wanted) and _ordered(op, offered, wanted)


def distinct(value: Value | None) -> object:
    """Equal for values of equal meaning, and for no others."""
    return (isinstance(value, list), _kinds(value))


def _equal(wanted: Value, offered: Value) -> bool:
    return distinct(wanted) == distinct(offered)


def _kinds(value: Value | None) -> frozenset[tuple[str, Scalar]]:
    """The elements with their types, for True is no 1 here; a scalar is a list of one."""
    items: list[Scalar] = value if isinstance(value, list) else [] if value is None else [value]
    return frozenset((type(item).__name__, item) for item in items)


def _is_number(value: Value | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _ordered(op: str, offered: Value | None, wanted: Value | None) -> bool:
    if not isinstance(offered, int) or not isinstance(wanted, int):
        return False
    return {
        "gt": offered > wanted,
        "ge": offered >= wanted,
        "lt": offered < wanted,
        "le": offered <= wanted,
    }[op]
