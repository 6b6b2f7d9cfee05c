"""Folding: every spelling of an umlaut is the same, and what a person has typed so far still fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.folding import fold, words

NAMES = st.text("abcdefghijklmnopqrstuvwxyzäöüßABCÄÖÜ", max_size=20)
TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


@pytest.mark.parametrize(
    "spellings",
    [
        ("Müller", "Mueller", "Muller", "MÜLLER", "Mu\u0308ller"),
        ("Größe", "Groesse", "Grosse", "GRÖẞE"),
        ("Bär", "Baer", "Bar"),
        ("Kräer", "Kraeer"),
        ("René", "Rene"),
        ("Łukasz", "lukasz"),
        ("Søren", "Soeren", "Soren"),
    ],
)
def test_spellings_of_one_name_are_the_same(spellings: tuple[str, ...]) -> None:
    assert len({fold(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), [("Bauer", "Baur"), ("Quelle", "Qulle"), ("Neue", "Neu"), ("Bach", "Buch")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(NAMES)
def test_umlauts_may_always_be_typed_with_two_letters(name: str) -> None:
    assert fold(name) == fold(name.translate(TWO_LETTERS))


@given(NAMES)
def test_case_never_matters(name: str) -> None:
    assert fold(name.upper()) == fold(name.lower()) == fold(name)


@given(NAMES, st.integers(0, 20))
def test_the_beginning_of_a_name_folds_to_the_beginning_of_the_folded_name(name: str, length: int) -> None:
    assert fold(name).startswith(fold(name[:length]))


@given(st.text())
def test_words_are_letters_and_digits_alone_whatever_was_typed(text: str) -> None:
    assert all(word.isascii() and word.isalnum() and word == word.lower() for word in words(text))


@given(st.lists(NAMES, max_size=4), st.sampled_from([" ", "-", ", ", " / ", "\n"]))
def test_punctuation_separates_words_and_is_no_part_of_them(names: list[str], separator: str) -> None:
    assert words(separator.join(names)) == words(" ".join(names))
