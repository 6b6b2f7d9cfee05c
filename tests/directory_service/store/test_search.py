"""The search in the database finds exactly what a naive reading of the rule finds."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.folding import words
from directory_service.rules.matching import Search, search_words
from directory_service.rules.practice import Practice
from directory_service.store.practices import PracticeStore
from directory_service.store.search import PracticeSearch
from tests.directory_service.store.made_up import NOW, joining, opted_in

TABLE = read_specialties()
PRACTICES: list[tuple[str, tuple[str, ...], str, str]] = [
    ("Hausarztpraxis Dr. Sommer", ("ALLG",), "20099", "Hamburg"),
    ("Praxis Dr. Müller-Groß", ("KIJU",), "80331", "München"),
    ("HNO am Markt", ("HNOH",), "61348", "Bad Homburg vor der Höhe"),
    ("Gemeinschaftspraxis Bauer und Böhm", ("INNE", "KARD", "ALLG"), "20255", "Hamburg"),
    ("Zahnärzte 2000", ("MZKH",), "10115", "Berlin"),
]
TERMS = [
    "hausarzt hamburg",
    "Hausärztin 20",
    "mueller",
    "Muller Munchen",
    "müller-groß",
    "gross",
    "hno",
    "hoehe bad",
    "kardio 202",
    "praxis",
    "arztpraxis",
    "2000",
    "herz bauer",
    "allgemeinmedizin berlin",
    "sommerr",
    "%",
    "_",
    "'; DROP TABLE practice --",
    "dr",
]


@pytest.fixture
async def search(engine: AsyncEngine) -> PracticeSearch:
    store = PracticeStore(engine)
    for number, (name, specialties, postcode, city) in enumerate(PRACTICES):
        await opted_in(store, f"1-{number}", name=name, specialties=specialties, postcode=postcode, city=city)
    await store.join(joining("1-90", name="Hausarztpraxis Verborgen Hamburg"), NOW)
    await opted_in(store, "1-91", name="Hausarztpraxis Pausiert")
    await store.choose_visibility("1-91", visible=False, consent_text="1", now=NOW)
    await opted_in(store, "1-92", name="Hausarztpraxis Fort")
    await store.withdraw("1-92", NOW)
    return PracticeSearch(engine)


def naive(term: str) -> set[str]:
    found = set()
    for name, specialties, postcode, city in PRACTICES:
        known_by = [TABLE.display(code) for code in specialties]
        for code in specialties:
            known_by += [word for word in words(term) if code in TABLE.meant_by(word)]
        have = words(" ".join((name, postcode, city, *known_by)))
        if all(any(word.startswith(asked) for word in have) for asked in words(term)):
            found.add(name)
    return found


def names(practices: Sequence[Practice]) -> list[str]:
    return [practice.profile.name for practice in practices]


async def test_every_word_must_begin_a_word_of_name_place_or_specialty(search: PracticeSearch) -> None:
    for term in TERMS:
        found = await search.find(Search(words=search_words([term], TABLE)), count=50)
        assert set(names(found.practices)) == naive(term), term
        assert found.total == len(found.practices)


async def test_a_patient_finds_the_practice_by_what_it_does_and_where_it_is(search: PracticeSearch) -> None:
    found = await search.find(Search(words=search_words(["hausarzt hamburg"], TABLE)), count=50)
    assert names(found.practices) == ["Gemeinschaftspraxis Bauer und Böhm", "Hausarztpraxis Dr. Sommer"]


FILTERS: list[tuple[Search, set[str]]] = [
    (Search(cities=(("bad homburg",),)), {"HNO am Markt"}),
    (Search(cities=(("homburg",),)), set()),
    (Search(cities=(("hamb", "berlin"),), postcodes=(("10",),)), {"Zahnärzte 2000"}),
    (Search(postcodes=(("20", "8"),), specialties=(("KIJU",),)), {"Praxis Dr. Müller-Groß"}),
    (Search(specialties=(("KARD",), ("ALLG",))), {"Gemeinschaftspraxis Bauer und Böhm"}),
    (Search(specialties=((),)), set()),
]


async def test_filters_are_hard(search: PracticeSearch) -> None:
    for asked, expected in FILTERS:
        found = await search.find(asked, count=50)
        assert (set(names(found.practices)), found.total) == (expected, len(expected)), asked


COUNTS: list[int] = [1, 2, 3, 5]


async def test_pages_follow_each_other_without_gap_or_repetition(search: PracticeSearch) -> None:
    for count in COUNTS:
        seen: list[Practice] = []
        page = await search.find(Search(), count=count)
        while True:
            assert page.total == len(PRACTICES)
            seen += page.practices
            if page.next_page is None:
                break
            assert len(page.practices) == count
            page = await search.find(Search(), count=count, after=page.next_page)
        assert sorted(names(seen)) == sorted(name for name, *_ in PRACTICES)
        assert all(words(one.profile.name) <= words(other.profile.name) for one, other in pairwise(seen))
