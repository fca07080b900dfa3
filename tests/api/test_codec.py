"""Depth and bytes of values that stay undecoded."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empq.errors import TooLarge
from empq.messages.codec import bytes_of, is_deeper

VALUES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=40,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(one) for one in value), default=0)
    return 0


@given(VALUES, st.integers(0, 8))
def test_depth_is_that_of_the_decoded_value(value: object, levels: int) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert is_deeper(text.encode(), levels) == (depth(value) > levels)


def test_brackets_and_quotes_in_strings_do_not_count() -> None:
    assert not is_deeper(b'["[[[[\\"[[\\\\", "]]"]', 1)
    assert is_deeper(b'["]]]]",[]]', 1)


def test_missing_and_null_are_the_same() -> None:
    assert bytes_of(msgspec.Raw()) is None
    assert bytes_of(msgspec.Raw(b"null")) is None
    assert bytes_of(msgspec.Raw(b"0")) == b"0"


def test_a_value_above_its_size_is_refused() -> None:
    with pytest.raises(TooLarge, match="/result has 5 bytes"):
        bytes_of(msgspec.Raw(b"12345"), "/result", 4)
