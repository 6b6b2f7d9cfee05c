"""Texts have exactly the slots that were given to them, and so have their beginnings and what is inside them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory_service.search.index import postings
from directory_service.search.index.fit import EXACT, INFIX, PREFIX
from directory_service.search.index.postings import Texts, together
from directory_service.search.index.vocabulary import Lexicon, Vocabulary

TEXTS = ["a", "ab", "abcdef", "abcdefgh", "abcdexyz", "b"]
LOADED = st.lists(st.lists(st.lists(st.sampled_from(TEXTS)).map(" ".join), max_size=6), max_size=3)
CHANGES = st.lists(st.tuples(st.integers(0, 9), st.frozensets(st.sampled_from(TEXTS))), max_size=30)


@pytest.fixture(autouse=True, params=[1, 3, 16])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many slots are kept as bytes; more are a bitmap."""
    monkeypatch.setattr(postings, "_FEW", request.param)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LOADED, CHANGES)
def test_slots_are_found_by_what_was_said_last(
    loaded: list[list[str]], changes: list[tuple[int, frozenset[str]]]
) -> None:
    lexicon = Lexicon()
    texts, vocabulary = Texts(), Vocabulary(lexicon)
    expected = {slot: set[str]() for slot in range(10)}
    for values in loaded:
        texts.load(values, str.split)
        vocabulary.load(values, str.split)
        for slot, value in enumerate(values):
            expected[slot].update(value.split())
    vocabulary.end_load()
    for slot, now in [(0, frozenset(expected[0])), *changes]:
        texts.change(slot, expected[slot], set(now))
        vocabulary.change(slot, expected[slot], set(now))
        expected[slot] = set(now)
        for asked in [*TEXTS, "abc", "abcde", "abcdefg", "bcde", "bcdefg", "c"]:
            found = vocabulary.fitting(lexicon.asked(asked, 0))
            whole = {one for one, there in expected.items() if asked in there}
            begun = {one for one, there in expected.items() if any(text.startswith(asked) for text in there)}
            inside = {one for one, there in expected.items() if any(asked in text[1:] for text in there)}
            assert set(together(found.get(EXACT, []))) == whole
            assert set(together(found.get(PREFIX, []))) == set(together(texts.beginning_with(asked))) == begun
            if len(asked) >= 4:
                assert inside <= set(together(found.get(INFIX, []))) <= inside | begun
