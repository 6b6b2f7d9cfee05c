"""The packaged table of specialties: real codes, and patients' words for them."""

import pytest

from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.folding import words

TABLE = read_specialties()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Hausarzt", "ALLG"),
        ("hausärztlich", "ALLG"),
        ("Allgemeinmed", "ALLG"),
        ("HNO", "HNOH"),
        ("Augenaerztin", "AUGE"),
        ("Zahnarzt", "MZKH"),
        ("Zahnarzt", "MZAH"),
        ("Psychotherapeutin", "PST"),
        ("Apotheke", "PHZ"),
        ("Gynakologe", "FRAU"),
        ("Kinderarzt", "KIJU"),
    ],
)
def test_patients_words_mean_a_specialty(said: str, meant: str) -> None:
    (word,) = words(said)
    assert any(one.startswith(word) for one in TABLE.words_of([meant]))


def test_an_internist_may_be_a_family_doctor_unless_there_is_a_focus() -> None:
    """§ 73 Abs. 1a SGB V: internists without a focus choose; the code is the same for all of them."""
    assert "hausarzt" in TABLE.words_of(["INNE"])
    assert "hausarzt" not in TABLE.words_of(["INNE", "KARD"])
    assert "internist" in TABLE.words_of(["KARD", "INNE"])
    assert "hausarzt" in TABLE.words_of(["INNE", "KARD", "ALLG"])


def test_codes_have_the_form_of_the_code_system_and_a_name() -> None:
    assert len(TABLE.codes()) > 40
    for code in TABLE.codes():
        assert len(code) in {3, 4}
        assert code.isupper()
        assert TABLE.display(code) != code


def test_unknown_codes_are_named_by_their_place() -> None:
    assert TABLE.unknown(["ALLG", "XXXX", "KARD", ""]) == [1, 3]


def test_a_code_that_the_table_lost_is_shown_as_it_is() -> None:
    assert TABLE.display("GONE") == "GONE"
