"""The homeserver's answers are read as JSON is, but for what would make them unreadable."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.matrix.answer_json import DEEPEST, read_answer

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(alphabet='[]{}"\\aä\u2028', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='[]{}"\\a', max_size=4), inner, max_size=4)
    ),
)


@given(_VALUES, st.booleans())
def test_an_ordinary_answer_is_read_as_json(value: object, escaped: bool) -> None:
    assert read_answer(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(_VALUES, st.integers(min_value=DEEPEST, max_value=3_000), st.sampled_from(["[]", "{}"]))
def test_what_is_too_deep_is_cut_out_and_its_neighbours_stay(value: object, levels: int, kind: str) -> None:
    opening, closing = ("[", "]") if kind == "[]" else ('{"a":', "}")
    deep = opening * levels + json.dumps(value) + closing * levels
    read = read_answer(
        f'{{"before": {json.dumps(value)}, "deep": {deep}, "after": ["]]", {json.dumps(value)}]}}'.encode()
    )
    assert read["before"] == value
    assert read["after"] == ["]]", value]
    inner, seen = read["deep"], 1
    while inner:
        inner = inner[0] if kind == "[]" else inner["a"]
        seen += 1
    assert inner is None
    assert seen == DEEPEST


@pytest.mark.parametrize("levels", [DEEPEST - 1, DEEPEST])
def test_the_deepest_level_is_kept_and_the_next_is_not(levels: int) -> None:
    raw = b"[" * levels + b"[]" + b"]" * levels
    assert (b"null" in json.dumps(read_answer(raw)).encode()) == (levels == DEEPEST)


def test_a_hundred_thousand_levels_are_read() -> None:
    assert read_answer(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":1}')["b"] == 1


def test_a_number_without_end_does_not_make_the_answer_unreadable() -> None:
    assert read_answer(b'{"a":%s,"b":123}' % (b"9" * 50_000)) == {"a": 0, "b": 123}


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 1_000, b"]", b'{"a":}', b"\xff", b'"', b"[" * 500 + b"]" * 400])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(raw)
