"""What the index takes in of a practice: the words by which it is known, and its languages."""

from dataclasses import replace

import pytest

from directory_service.rules.places import PostcodeCentroids
from directory_service.search.fields import SEARCH_FIELDS, SPOKEN_LANGUAGES
from directory_service.search.index.entry import IndexedPractice, Indexer
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


@pytest.mark.parametrize(
    ("telematik_id", "specialties", "doctors"),
    [
        ("1-2014200101", ("PST",), False),
        ("9-2.34.00000001", (), False),
        ("9-2.34.00000001", ("PST",), False),
        # A doctor who does psychotherapy as well, or has not said what the practice does.
        ("1-2014200101", ("PST", "ALLG"), True),
        ("1-2014200101", ("PSYM",), True),
        ("1-2014200101", (), True),
        ("9-2.50.00000001", ("PST",), True),
        ("1-1014200101", ("PST",), True),
    ],
)
def test_psychotherapists_have_the_prefix_of_contract_doctors_but_are_none(
    telematik_id: str, specialties: tuple[str, ...], doctors: bool
) -> None:
    known = set(entry(telematik_id, specialties=specialties).specialty_words)
    assert ("arzt" in known, "arztin" in known) == (doctors, doctors)
    assert doctors or {"psychotherapeut", "psychotherapeutin"} <= known


def test_a_language_is_known_by_its_wider_tags_too() -> None:
    codes = entry(languages=("sr-Latn", "pt-BR", "pt", "zh-Hant-TW")).codes[SEARCH_FIELDS.index(SPOKEN_LANGUAGES)]
    assert codes == ("sr-Latn", "sr", "pt-BR", "pt", "zh-Hant-TW", "zh-Hant", "zh")
    assert SPOKEN_LANGUAGES.has_any(["ZH"]).keys < SPOKEN_LANGUAGES.keys(codes)
