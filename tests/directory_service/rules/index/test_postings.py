"""Texts have exactly the slots that were given to them, and so have all their beginnings."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory_service.rules.index import postings
from directory_service.rules.index.postings import Texts, together

TEXTS = ["a", "ab", "abcdef", "abcdefgh", "abcdexyz", "b"]
LOADED = st.lists(st.lists(st.lists(st.sampled_from(TEXTS)).map(" ".join), max_size=6), max_size=3)
CHANGES = st.lists(st.tuples(st.integers(0, 9), st.frozensets(st.sampled_from(TEXTS))), max_size=30)


@pytest.fixture(autouse=True, params=[1, 3, 16])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many slots are kept as bytes; more are a bitmap."""
    monkeypatch.setattr(postings, "_FEW", request.param)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([0, 2, 5]), LOADED, CHANGES)
def test_slots_are_found_by_what_was_said_last(
    short: int, loaded: list[list[str]], changes: list[tuple[int, frozenset[str]]]
) -> None:
    index, expected = Texts(short), {slot: set[str]() for slot in range(10)}
    for values in loaded:
        index.load(values, str.split)
        for slot, value in enumerate(values):
            expected[slot].update(value.split())
    index.end_load()
    for slot, texts in [(0, frozenset(expected[0])), *changes]:
        known = set().union(*expected.values())
        assert set(index.change(slot, expected[slot], set(texts))) == texts - known
        expected[slot] = set(texts)
        assert list(index) == sorted(set().union(*expected.values()))
        for asked in [*TEXTS, "abc", "abcde", "abcdefg", "c"]:
            whole = {one for one, there in expected.items() if asked in there}
            begun = {one for one, there in expected.items() if any(text.startswith(asked) for text in there)}
            assert set(together(index.sets([asked]))) == whole
            assert set(together(index.beginning_with(asked))) == begun
