"""Decoding of what arrives: JSON to structs once, every refusal with the field's path, and the limit on depth.

Knows no transport: REST bodies and socket frames both pass here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from empq.errors import BadJson, EmpqError, InvalidField, TooLarge, UnknownField

MOST_DEPTH = 32

_RULE = re.compile(r"(?P<rule>.*?)(?: - at `(?:key in )?(?P<path>\$[^`]*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], data: bytes, base: str = "") -> T:
    """The decoded body; `base` is the pointer under which the data stands.

    Raises BadJson, InvalidField, UnknownField, TooLarge.
    """
    try:
        if not data.isascii():
            data.decode()  # msgspec passes over the inside of Raw values without looking at UTF-8
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise refusal(error, base) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise TooLarge(f"the JSON is nested deeper than {MOST_DEPTH} levels") from None


def refusal(error: msgspec.ValidationError, base: str = "") -> EmpqError:
    """msgspec's sentence as an error that names the field by its JSON pointer."""
    found = _RULE.match(str(error))
    rule, path = (found["rule"], found["path"] or "") if found else (str(error), "")
    pointer = base + "".join(f"/{name or index}" for name, index in _STEP.findall(path))
    if unknown := _UNKNOWN.match(rule):
        return UnknownField.at(f"{pointer}/{escaped(unknown[1])}")
    if missing := _MISSING.match(rule):
        return InvalidField.at(f"{pointer}/{missing[1]}", "required, and missing")
    sentence = rule.replace(" | null", "").replace("`", "")
    return InvalidField.at(pointer, sentence[:1].lower() + sentence[1:])


def escaped(name: str) -> str:
    """A member's name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def bytes_of(raw: msgspec.Raw, pointer: str = "", most: int | None = None) -> bytes | None:
    """The value's bytes exactly as they were sent; None where it is missing or null.

    Raises TooLarge above `most` bytes or 32 levels.
    """
    data = bytes(raw)
    if not data or data == b"null":
        return None
    if most is not None and len(data) > most:
        raise TooLarge(f"{pointer} has {len(data)} bytes; at most {most} are taken")
    if len(data) > 2 * MOST_DEPTH and is_deeper(data, MOST_DEPTH):
        raise TooLarge(f"{pointer} is nested deeper than {MOST_DEPTH} levels")
    return data


def is_deeper(data: bytes, levels: int) -> bool:
    """Whether well-formed JSON nests deeper than this; one pass per level over its brackets alone."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    outside = data.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    brackets = b"".join(outside).translate(_BRACKETS, _NOT_BRACKETS)
    for _ in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # peels off the innermost level
    return bool(brackets)


class Malformed(NamedTuple):
    """A message that could not be decoded, and the id that its error answers."""

    error: EmpqError
    reply_to: Any


class _Identified(msgspec.Struct):
    id: str | int | None = None


class MessageCodec(Generic[T]):
    """Frames of one socket kind to messages; a malformed message costs only itself."""

    def __init__(self, kinds: Any) -> None:
        self._one: msgspec.json.Decoder[T] = msgspec.json.Decoder(kinds)
        self._many: msgspec.json.Decoder[list[T]] = msgspec.json.Decoder(list[kinds])
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._identified = msgspec.json.Decoder(_Identified)

    def decode(self, frame: bytes) -> tuple[Sequence[T | Malformed], bool]:
        """The messages of one frame in order, and whether it was a batch."""
        batched = frame.lstrip()[:1] == b"["
        try:
            return (
                ([decode(self._one, frame)], False)
                if not batched
                else (decode(self._many, frame), True)
            )
        except EmpqError as error:
            if not batched:
                return [self._malformed(frame, error)], False
        try:
            parts = decode(self._parts, frame)
        except EmpqError as error:
            return [Malformed(error, None)], True
        return [self._part(bytes(part)) for part in parts], True

    def _part(self, part: bytes) -> T | Malformed:
        try:
            return decode(self._one, part)
        except EmpqError as error:
            return self._malformed(part, error)

    def _malformed(self, part: bytes, error: EmpqError) -> Malformed:
        try:
            return Malformed(error, self._identified.decode(part).id)
        except (msgspec.DecodeError, RecursionError):
            return Malformed(error, None)
