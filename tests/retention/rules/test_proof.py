"""The chain of the proof: whole as written, broken by any change."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.rules.proof import FIRST_LINK, ErasedRoom, ProofRow, Verdict, check_chain, room_hash, sealed


def _chain(contents: list[str]) -> list[ProofRow]:
    rows: list[ProofRow] = []
    for content in contents:
        rows.append(sealed(len(rows) + 1, rows[-1].seal if rows else FIRST_LINK, content))
    return rows


@given(st.lists(st.text()))
def test_a_chain_as_it_was_written_is_whole(contents: list[str]) -> None:
    rows = _chain(contents)
    assert check_chain(rows) == Verdict(len(rows), None, rows[-1].seal if rows else FIRST_LINK)


@given(st.lists(st.text(), min_size=1), st.data())
def test_a_changed_row_is_found(contents: list[str], data: st.DataObject) -> None:
    rows = _chain(contents)
    place = data.draw(st.integers(0, len(rows) - 1))
    rows[place] = replace(rows[place], content=rows[place].content + "x")
    assert check_chain(rows).broken_at == place + 1


@pytest.mark.parametrize("removed", [0, 1])
def test_a_removed_row_is_found(removed: int) -> None:
    rows = _chain(["a", "b", "c"])
    del rows[removed]
    assert check_chain(rows).broken_at == removed + 1


def test_exchanged_rows_are_found() -> None:
    first, second = _chain(["a", "b"])
    assert check_chain([second, first]).broken_at == 1


def test_a_row_sealed_anew_is_found_by_the_row_after_it() -> None:
    rows = _chain(["a", "b", "c"])
    rows[1] = sealed(2, rows[0].seal, "forged")
    assert check_chain(rows).broken_at == 3


def test_a_row_names_no_room() -> None:
    text = ErasedRoom("run", room_hash("!secret:x"), 3, 1, 1000, 2000).text()
    assert "secret" not in text
    assert room_hash("!secret:x") in text
