"""What the index takes in of a practice: the words by which it is known, and its languages."""

from dataclasses import replace

import pytest

from directory_service.rules.index.entry import IndexedPractice, Indexer
from directory_service.rules.places import PostcodeCentroids
from tests.directory_service.fhir_samples import FULL, SPECIALTIES

INDEXER = Indexer(SPECIALTIES, PostcodeCentroids({}))


def entry(
    telematik_id: str = FULL.telematik_id, *, specialties: tuple[str, ...] = (), languages: tuple[str, ...] = ()
) -> IndexedPractice:
    """A practice as the index knows it."""
    profile = replace(FULL.profile, specialties=specialties, languages=languages)
    return INDEXER.entry(replace(FULL, telematik_id=telematik_id, profile=profile))


@pytest.mark.parametrize(
    ("telematik_id", "known_by"),
    [
        ("1-2014200101", {"arzt", "arztin"}),
        ("9-2.50.00000001", {"arzt", "arztin"}),
        ("1-1014200101", {"arzt", "arztin"}),
        ("2-2014200101", {"zahnarzt", "zahnarztin", "zahnarztpraxis"}),
        ("9-2.51.00000001", {"zahnarzt", "zahnarztin", "zahnarztpraxis"}),
        ("2-1014200101", {"zahnarzt", "zahnarztin"}),
        ("3-07.2.1444560000.16.108", {"offentliche", "apotheke", "apotheker", "apothekerin"}),
        ("3-07.3.1444560000.16.108", {"apotheker", "apothekerin"}),
        ("4-2014200101", {"psychotherapeut", "psychotherapeutin"}),
    ],
)
def test_women_and_men_of_a_profession_are_found_alike_whatever_their_specialty(
    telematik_id: str, known_by: set[str]
) -> None:
    for specialties in ((), ("CHIR",), ("INNE", "KARD")):
        known = set(entry(telematik_id, specialties=specialties).specialty_words)
        assert known - set(SPECIALTIES.words_of(specialties)) - {"betriebsstatte"} <= known_by <= known


def test_a_language_is_known_by_its_wider_tags_too() -> None:
    assert entry(languages=("sr-Latn", "pt-BR", "pt", "zh-Hant-TW")).languages == (
        *("sr-latn", "sr", "pt-br", "pt", "zh-hant-tw", "zh-hant", "zh"),
    )
