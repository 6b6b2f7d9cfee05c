"""What a word of a search means is told, and is what the index finds by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.folding import words
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.index.query import SearchQuery
from directory_service.search.meanings import Meanings
from directory_service.search.medical_words import MedicalWords

TABLE = read_specialties()
MEANINGS = Meanings(TABLE)
MEDICAL = MedicalWords(TABLE)
SAID = sorted({word + end for code in TABLE.codes() for word in TABLE.words_of([code]) for end in ("", "praxis")})


def index_of_one_practice_each() -> PracticeIndex:
    index = PracticeIndex(MEDICAL.knows, MEDICAL.instead)
    index.load(
        IndexedPractice(code, "", specialties=(code,), specialty_words=TABLE.words_of([code])) for code in TABLE.codes()
    )
    return index


INDEX = index_of_one_practice_each()


def told(*texts: str) -> list[tuple[str, list[str]]]:
    return [(meaning.word, [TABLE.display(code) for code in meaning.codes]) for meaning in MEANINGS.of(texts)]


def test_a_family_doctor_is_general_and_internal_medicine() -> None:
    assert told("Hausarzt Hamburg") == [("Hausarzt", ["Allgemeinmedizin", "Innere Medizin"])]


@pytest.mark.parametrize(
    ("word", "uncertain"),
    [("Hausarzt", ("INNE",)), ("hausartz", ("INNE",)), ("Internist", ()), ("Kardiologin", ()), ("Haus", ("INNE",))],
)
def test_that_only_some_practices_of_a_specialty_are_meant_is_told(word: str, uncertain: tuple[str, ...]) -> None:
    (meaning,) = MEANINGS.of([word])
    assert meaning.uncertain == uncertain


def test_what_is_typed_in_another_spelling_or_with_an_error_is_told_as_it_was_typed() -> None:
    assert told("hausaerztin") == [("hausaerztin", ["Allgemeinmedizin", "Innere Medizin"])]
    assert told("Hautartz")[0][0] == "Hautartz"


def test_a_specialty_by_its_own_name_and_other_words_need_no_word() -> None:
    assert told("Kardiologie", "Praxis Sommer, 20099") == []


def test_a_doctor_is_any_doctor_and_stands_for_nothing_else() -> None:
    assert told("Arzt/Ärztin", "Arztpraxis", "Apotheke") == []


def test_who_is_a_psychotherapist_may_be_a_doctor_which_is_told() -> None:
    for word in ("Psychotherapeut", "Psychotherapeutin"):
        ((_, specialties),) = told(word)
        assert {"Psychotherapie", "Psychiatrie und Psychotherapie"} <= set(specialties)


@pytest.mark.parametrize(
    ("word", "codes", "uncertain"),
    [
        ("Hausarztpraxis", ("ALLG", "INNE"), ("INNE",)),
        ("Hausartzpraxis", ("ALLG", "INNE"), ("INNE",)),
        ("Hautarztpraxis", ("HAUT",), ()),
        ("Zahnarztpraxis", ("MZAH", "MZKH"), ()),
        ("Augenpraxis", ("AUGE",), ()),
        ("Kardiologiepraxis", ("KARD", "KKAR"), ()),
        ("Dialysezentrum", ("NEPH",), ()),
        ("Hauarztpraxis", ("ALLG", "HAUT", "INNE"), ("INNE",)),
    ],
)
def test_a_practice_that_is_called_by_its_specialty_has_it_which_is_told(
    word: str, codes: tuple[str, ...], uncertain: tuple[str, ...]
) -> None:
    (meaning,) = MEANINGS.of([word])
    assert (meaning.word, meaning.codes, meaning.uncertain) == (word, codes, uncertain)


@pytest.mark.parametrize(
    ("typed", "meanings"),
    [
        ("HNO Praxis", [("HNO Praxis", ["Hals-Nasen-Ohrenheilkunde"])]),
        ("Köln HNO-Praxis Ohm", [("HNO-Praxis", ["Hals-Nasen-Ohrenheilkunde"])]),
        ("Kardiologie Praxis", [("Kardiologie Praxis", ["Kardiologie", "Kinder-Kardiologie"])]),
        ("Augen  Zentrum", [("Augen  Zentrum", ["Augenheilkunde"])]),
        ("Arzt Praxis", []),
        ("Praxis Sommer", []),
        ("Sommer Praxis", []),
    ],
)
def test_so_it_is_if_that_is_typed_as_two_words(typed: str, meanings: list[tuple[str, list[str]]]) -> None:
    assert told(typed) == meanings
    assert MEANINGS.are_renamed(words(typed)) is bool(meanings)


@given(st.sampled_from(SAID), st.sampled_from(["praxis", "zentrum"]))
def test_what_is_told_of_two_words_is_what_the_index_finds(word: str, ending: str) -> None:
    found = INDEX.search(SearchQuery(words=(word, ending)), count=len(INDEX)).hits
    joined = MEDICAL.joined(word, ending)
    expected = set(MEANINGS.codes_of(word)) & set(MEANINGS.codes_of(joined)) if joined is not None else set()
    assert {hit.resource_id for hit in found} == expected


@given(st.sampled_from(SAID).flatmap(lambda word: st.integers(1, len(word)).map(lambda end: word[:end])))
def test_what_is_told_is_what_the_index_finds(word: str) -> None:
    found = INDEX.search(SearchQuery(words=(word,)), count=len(INDEX)).hits
    assert set(MEANINGS.codes_of(word)) == {hit.resource_id for hit in found}


@given(st.sampled_from(SAID), st.integers(0, 30), st.sampled_from("aeinrst"))
def test_so_it_is_with_typing_errors(word: str, place: int, letter: str) -> None:
    (typed, *_) = words(word[:place] + letter + word[place + 1 :])
    found = INDEX.search(SearchQuery(words=(typed,)), count=len(INDEX)).hits
    assert set(MEANINGS.codes_of(typed)) == {hit.resource_id for hit in found}
