"""Keys have exactly the slots that were given to them, however often they cross the border to being dense."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory_service.rules.index import postings
from directory_service.rules.index.postings import Postings

KEYS = ["a", "ab", "b", "bc"]
STEPS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 9)), max_size=60)
LOADED = st.lists(st.lists(st.lists(st.sampled_from(KEYS)).map(" ".join), max_size=6), max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LOADED, STEPS)
def test_slots_and_flags_are_what_was_added_last(
    monkeypatch: pytest.MonkeyPatch, loaded: list[list[str]], steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(postings, "_DENSE", 4)
    index, expected = Postings(), {key: set[int]() for key in KEYS}
    index.make_room(6)
    for values in loaded:
        index.load(values, str.split)
        for slot, value in enumerate(values):
            for key in value.split():
                expected[key].add(slot)
    index.end_load()
    index.make_room(10)
    for key, slot in steps:
        if slot in expected[key]:
            expected[key].discard(slot)
            assert index.discard(key, slot) == (not expected[key])
        else:
            assert index.add(key, slot) == (not expected[key])
            expected[key].add(slot)
        for one, slots in expected.items():
            assert (one in index) == bool(slots)
            known = index.known([one])
            assert sorted(index.slots(known).tolist()) == sorted(slots)
            dense = [set(flags.nonzero()[0].tolist()) for flags in index.flags(known)]
            assert set(index.sparse_slots(known).tolist()).union(*dense) == slots
            assert all(flags == slots for flags in dense)
    assert index.beginning_with("a") == [key for key in ("a", "ab") if expected[key]]
