"""Reads the fields of decoded JSON objects: each value is checked and named by its JSON pointer.

A number that matching compares becomes a scaled integer here, once (matching.md, "Values").
Every reader takes the value and its pointer, and raises InvalidField, UnknownField or TooLarge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, cast

import msgspec

from empq.errors import BadJson, FieldError, InvalidField, TooLarge, UnknownField

#: Largest quantity as sent: hardware, minutes, rates, counts.
MAX_QUANTITY = 1_000_000
#: Largest absolute number in a label, a constraint or a preference.
MAX_NUMBER = 10**12
#: Strings in one list.
MAX_STRINGS = 10_000
#: Scale of everything that is not gigabytes.
THOUSANDTHS = 1000
#: Scale of hardware.*_gb: quantities in GB become MB.
PER_GB = 1024

_SHOWN_CHARACTERS = 60


def decode_object(raw: object, pointer: str) -> dict[str, Any]:
    """The JSON object in `raw`: bytes, msgspec.Raw, or a value already decoded. BadJson where it is not JSON."""
    value = _decode(bytes(raw), pointer) if isinstance(raw, bytes | msgspec.Raw) else raw
    return object_at(value, pointer)


def _decode(raw: bytes, pointer: str) -> object:
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise InvalidField.at(pointer, "is nested too deeply") from None
    except ValueError:
        # A number beyond binary64 is JSON: the standard decoder reads it, so that its field is named.
        try:
            return json.loads(raw, parse_int=_whole_number, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise BadJson(f"{pointer}: is not valid JSON") from None


def _whole_number(text: str) -> int | float:
    return int(text) if len(text) < 40 else math.inf


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def shown(value: object) -> str:
    """The value as JSON for an error's text, shortened."""
    if _is_beyond_json(value):
        return "a number out of range"
    try:
        text = msgspec.json.encode(value).decode()
    except (ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        text = repr(value) if isinstance(value, str) else "a value"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _is_beyond_json(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and abs(value) >= 1 << 63


def refuse(value: object, pointer: str, rule: str) -> NoReturn:
    """Raises InvalidField with the value and the rule that it breaks."""
    raise InvalidField.at(pointer, f"{shown(value)} {rule}")


def child(pointer: str, key: str | int) -> str:
    """The pointer of a member or an element (RFC 6901 escapes)."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def object_at(value: object, pointer: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        refuse(value, pointer, "must be an object")
    return cast("dict[str, Any]", value)


def members(value: object, pointer: str, known: Iterable[str]) -> dict[str, Any]:
    """The members of an object that knows only these keys; null members are left out."""
    given = object_at(value, pointer)
    allowed = frozenset(known)
    for key in given:
        if key not in allowed:
            raise UnknownField.at(child(pointer, key), _meant(key, sorted(allowed)))
    return {key: item for key, item in given.items() if item is not None}


def _meant(key: str, known: list[str]) -> str:
    # Cut: a key may be as long as the document, and close matches cost its length.
    if close := get_close_matches(key[:64], known, 1):
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(known)}"


def elements(value: object, pointer: str, limit: int = MAX_STRINGS) -> list[Any]:
    """A JSON list of at most `limit` elements."""
    if not isinstance(value, list):
        refuse(value, pointer, "must be a list")
    items = cast("list[Any]", value)
    if len(items) > limit:
        rule = f"a list of {len(items)} elements; at most {limit} are allowed"
        raise TooLarge(f"{pointer}: {rule}", errors=(FieldError(pointer, rule),))
    return items


def text(value: object, pointer: str, *, empty: bool = False) -> str:
    """A string, not empty unless `empty`."""
    if not isinstance(value, str):
        refuse(value, pointer, "must be a string")
    if not value and not empty:
        refuse(value, pointer, "must not be empty")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse(value, pointer, "must be valid Unicode")
    return value


def name(value: object, pointer: str) -> str:
    """A non-empty string other than "all", which is special only as the whole value of a worker's field."""
    result = text(value, pointer)
    if result == "all":
        refuse(value, pointer, 'must be a name; "all" is not one')
    return result


def names(value: object, pointer: str) -> list[str]:
    """A list of names."""
    return [name(item, child(pointer, i)) for i, item in enumerate(elements(value, pointer))]


def texts(value: object, pointer: str) -> list[str]:
    """A list of non-empty strings."""
    return [text(item, child(pointer, i)) for i, item in enumerate(elements(value, pointer))]


def text_or_texts(value: object, pointer: str) -> list[str]:
    """One non-empty string, or a list of at least one."""
    if isinstance(value, str):
        return [text(value, pointer)]
    if not isinstance(value, list):
        refuse(value, pointer, "must be a string or a list of strings")
    result = texts(cast("list[Any]", value), pointer)
    if not result:
        refuse(result, pointer, "must not be empty")
    return result


def choice(value: object, pointer: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed strings."""
    if not isinstance(value, str) or value not in allowed:
        refuse(value, pointer, f"must be one of {', '.join(allowed)}")
    return value


def flag(value: object, pointer: str) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        refuse(value, pointer, "must be true or false")
    return value


def count(value: object, pointer: str, low: int, high: int = MAX_QUANTITY) -> int:
    """A JSON integer in low..high; true, 1.5 and "8" are refused."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        refuse(value, pointer, f"must be an integer in {low}..{high}")
    return value


def quantity(value: object, pointer: str, scale: int = THOUSANDTHS, *, above: bool = False) -> int:
    """A number in 0..1,000,000, scaled; with `above` it must be greater than 0 as sent."""
    number = _number(value)
    if number is None or not 0 <= number <= MAX_QUANTITY or (above and number == 0):
        low = "greater than 0 and at most" if above else "in 0.."
        refuse(value, pointer, f"must be a number {low}{' ' if above else ''}{MAX_QUANTITY}")
    return scaled(number, scale)


def number(value: object, pointer: str, scale: int = THOUSANDTHS) -> int:
    """A number of at most 10^12 either side of 0, scaled."""
    result = _number(value)
    if result is None or not -MAX_NUMBER <= result <= MAX_NUMBER:
        refuse(value, pointer, "must be a number of at most 10^12 either side of 0")
    return scaled(result, scale)


def _number(value: object) -> int | float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def scaled(value: int | float, scale: int = THOUSANDTHS) -> int:
    """floor(value * scale + 0.5) in binary64."""
    return math.floor(float(value) * scale + 0.5)


def scale_of(hardware_key: str) -> int:
    """The scale of a hardware quantity by its key."""
    return PER_GB if hardware_key.endswith("_gb") else THOUSANDTHS


def lower_ascii(value: str) -> str:
    """ASCII letters in lower case, all else as it is."""
    return value.lower() if value.isascii() else "".join(map(_lower_character, value))


def _lower_character(character: str) -> str:
    return character.lower() if character.isascii() else character


def forward_slashes(value: str) -> str:
    r"""A model name with `\` as `/`: one fleet mixes Windows and Linux."""
    return value.replace("\\", "/")


def without_nulls(given: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are not null."""
    return {key: item for key, item in given.items() if item is not None}
