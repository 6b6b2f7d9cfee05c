"""Practices are found by what people call them: ``Hausarztpraxis`` finds who is one, whatever its name."""

from dataclasses import replace

import pytest

from directory_service.rules.places import PostcodeCentroids
from directory_service.search.held import Held
from directory_service.search.index.entry import Indexer
from directory_service.search.index.fit import search_words
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.index.query import Reason, SearchQuery
from directory_service.search.medical_words import MedicalWords
from tests.directory_service.fhir_samples import FULL, SPECIALTIES, practice

MEDICAL = MedicalWords(SPECIALTIES)
PRACTICES = {
    "Hausarztpraxis am Dom": "ALLG",
    "Dr. Müller": "ALLG",
    "Dr. Koch": "INNE",
    "Hautarztpraxis Weiß": "HAUT",
    "Dr. Sommer": "HAUT",
    "Dr. Winter": "AUGE",
    "Hauptpraxis Lang": "ORTH",
    "HNO-Praxis Bauer": "HNOH",
    "Dr. Ohm": "HNOH",
}


def held() -> Held:
    """All of them."""
    found = Held(Indexer(SPECIALTIES, PostcodeCentroids({})), PracticeIndex(MEDICAL.knows, MEDICAL.instead))
    found.load(
        replace(known, profile=replace(known.profile, name=name, specialties=(specialty,)))
        for number, (name, specialty) in enumerate(PRACTICES.items())
        if (known := practice(number, FULL.profile))
    )
    return found


HELD = held()


def found(text: str) -> list[tuple[str, Reason | None]]:
    """What a text finds, in its order, and why."""
    hits = HELD.index.search(SearchQuery(words=search_words([text])), count=len(PRACTICES)).hits
    names = [HELD.listing.get(hit.resource_id) for hit in hits]
    return [(known.profile.name, hit.reason) for known, hit in zip(names, hits, strict=True) if known]


def test_who_bears_the_word_stands_before_who_is_meant_by_it() -> None:
    assert found("Hausarztpraxis") == [
        ("Hausarztpraxis am Dom", Reason.EXACT),
        ("Dr. Koch", Reason.PREFIX),
        ("Dr. Müller", Reason.PREFIX),
    ]
    assert found("Hausarztpraxis Mueller") == [("Dr. Müller", Reason.PREFIX)]


def test_another_specialty_is_no_typing_error() -> None:
    assert found("Hautarztpraxis") == [("Hautarztpraxis Weiß", Reason.EXACT), ("Dr. Sommer", Reason.PREFIX)]


def test_a_misspelt_word_is_known_again() -> None:
    assert {name for name, reason in found("Hausartzpraxis") if reason is Reason.TYPO} >= {
        *("Hausarztpraxis am Dom", "Dr. Koch", "Dr. Müller"),
    }
    assert found("Hauptpraxis")[0] == ("Hauptpraxis Lang", Reason.EXACT)
    assert "Dr. Sommer" not in {name for name, _ in found("Hauptpraxis")}


@pytest.mark.parametrize("text", ["Augenarztpraxis", "Augenpraxis", "Augenzentrum", "Augenärztinpraxis"])
def test_it_may_be_said_in_several_ways(text: str) -> None:
    assert found(text) == [("Dr. Winter", Reason.PREFIX)]


@pytest.mark.parametrize("typed", ["HNO Praxis", "HNO-Praxis", "hno-praxis"])
def test_it_may_be_typed_as_two_words(typed: str) -> None:
    """It finds who is called ``HNO Arzt``; who bears the word stands before."""
    assert found(typed) == [("HNO-Praxis Bauer", Reason.EXACT), ("Dr. Ohm", Reason.PREFIX)]
    assert {name for name, _ in found("HNO Arzt")} == {"HNO-Praxis Bauer", "Dr. Ohm"}
    assert found(f"{typed} Ohm") == [("Dr. Ohm", Reason.PREFIX)]


def test_another_word_before_the_practice_is_a_name() -> None:
    assert found("Ohm Praxis") == []
    assert {name for name, _ in found("Praxis Sommer")} == set()


def test_whatever_a_name_finds_its_practice_finds() -> None:
    for code in SPECIALTIES.codes():
        for name in SPECIALTIES.names(code):
            if len(search_words([name])) == 1:
                assert {hit for hit, _ in found(name)} <= {hit for hit, _ in found(f"{name}praxis")}, name
                assert {hit for hit, _ in found(name)} <= {hit for hit, _ in found(f"{name} Praxis")}, name
