"""gematik's named queries: what is around a point, nearest first, and what is open then."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.fhir.items import Item, Kind
from directory_service.rules.fhir.listing import Audience
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.rules.opening_hours import OpeningHours, TimeBlock
from directory_service.rules.places import PostcodeCentroids
from directory_service.rules.profile import Position
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.chains import Chains
from directory_service.search.fhir.finding import Finding
from directory_service.search.fhir.named_queries import NamedQueryReader
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.held import Held
from directory_service.search.index.entry import Indexer
from directory_service.search.index.fit import LEVELS
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.index.query import SearchPage, SearchPosition, SearchQuery
from tests.directory_service.fhir_samples import ALL, FULL, PHARMACY, SPECIALTIES, listing_of, result
from tests.directory_service.plain_scan import Scan

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""Ten o'clock in Germany; the organisation with everything is open until twelve, and from two."""
READER = NamedQueryReader(Chains(ParameterTable(SPECIALTIES)))
DAY = replace(PHARMACY.profile, opening_hours=OpeningHours(weekly=((TimeBlock(0, 24 * 60),),) * 7))
LISTING = listing_of([*(known for known in ALL if known is not PHARMACY), replace(PHARMACY, profile=DAY)])
FINDING = Finding(LISTING, Scan(LISTING, SPECIALTIES), SPECIALTIES)
NAMES = dict(
    zip((practice.resource_id for practice in ALL), ("full", "person", "hidden", "pharmacy", "old"), strict=True)
)
HERE = [("latitude", "53.55"), ("longitude", "10.0"), ("distance", "5")]


def read(
    *parameters: tuple[str, str], kind: Kind = "HealthcareService", now: datetime = MONDAY, lenient: bool = False
) -> Asked:
    """A named query as understood."""
    return READER.read(kind, parameters, now, lenient=lenient)


def page(*parameters: tuple[str, str], query: str = "near", now: datetime = MONDAY, audience: Audience) -> Page:
    """What a named query around Hamburg's main station finds."""
    return result(FINDING.find(read(("_query", query), *HERE, *parameters, now=now), audience))


def found(*parameters: tuple[str, str], query: str = "near", now: datetime = MONDAY) -> list[str]:
    """The practices found, in their order."""
    matches = page(*parameters, query=query, now=now, audience="insured").matches
    return [NAMES[shown.practice.resource_id] for shown, *_ in matches]


def test_what_is_near_is_found_nearest_first_with_its_distance() -> None:
    assert found() == ["pharmacy", "full"]
    distances = [hit.distance_m for _, hit, _ in page(audience="insured").matches]
    assert distances[0] == 0
    assert distances[1] is not None
    assert 1000 < distances[1] < 2000


def around_here(names_and_steps: Iterable[tuple[str, int]]) -> Held:
    """Practices with some names, some hundred metres north; all are open and free of barriers."""
    assert FULL.profile.address is not None
    held = Held(Indexer(SPECIALTIES, PostcodeCentroids({})), PracticeIndex(SPECIALTIES.knows))
    practices = []
    for number, (name, steps) in enumerate(names_and_steps):
        address = replace(FULL.profile.address, position=Position(53.55 + steps / 100, 10.0))
        profile = replace(FULL.profile, name=name, address=address)
        practices.append(replace(FULL, resource_id=f"{number:05}", telematik_id=f"1-2{number}", profile=profile))
    held.load(practices)
    return held


def names_on_pages(finding: Finding, *parameters: tuple[str, str], count: int = 1) -> list[str]:
    """The names of what is found, page after page."""
    seen: list[str] = []
    after: list[tuple[str, str]] = []
    while True:
        asked = read(("_query", "near"), *HERE, *parameters, ("_count", str(count)), *after)
        page = result(finding.find(asked, "insured"))
        seen += [shown.practice.profile.name for shown, *_ in page.matches]
        if page.next_page is None:
            assert len(seen) == page.total
            return seen
        after = [("_after", page.next_page)]


ALL_TESTED = ("characteristics", "barrierefrei")
"""Everybody around here is that; but the index does not know, so each is looked at."""


def test_what_is_nearer_comes_first_however_well_the_text_fits() -> None:
    """Also over pages, and the same without a text."""
    # The last three are at one place: there the better fit comes first, then the name.
    names = ("Praxis Müllermann", "Praxis Müller", "Praxis A. Müllre", "Praxis B. Mülller", "Praxis C. Müllre")
    held = around_here((name, min(step, 3)) for step, name in enumerate(names, 1))
    finding = Finding(held.listing, held.index, SPECIALTIES)
    for text in ([], [("text", "mueller")], [("text", "mueller"), ("isOpenInMinutes", "0")]):
        assert tuple(names_on_pages(finding, *text)) == names
        assert tuple(names_on_pages(finding, *text, ALL_TESTED)) == names


FITTING = ("Lindner", "Lindnermann", "Lidner", "Linder", "Lidnre", "Zimmerlindner")
"""The word, its beginning, one or two errors, and a part."""


@given(st.lists(st.tuples(st.sampled_from(FITTING), st.integers(0, 3)), max_size=30), st.integers(1, 4))
def test_pages_that_the_index_orders_are_those_of_looking_at_each(practices: list[tuple[str, int]], count: int) -> None:
    held = around_here((f"{name} {number % 3}", steps) for number, (name, steps) in enumerate(practices))
    finding = Finding(held.listing, held.index, SPECIALTIES)
    for hours in ([], [("isOpenInMinutes", "0")], [("isOpenInMinutes", "180")]):
        asked = [("text", "lindner"), *hours]
        assert names_on_pages(finding, *asked, count=count) == names_on_pages(finding, *asked, ALL_TESTED, count=count)


class _Counting:
    """An index that counts what it gave since it was last looked at."""

    def __init__(self, index: PracticeIndex) -> None:
        self._index = index
        self.given = 0

    def search(self, query: SearchQuery, *, count: int, after: SearchPosition | None = None) -> SearchPage:
        page = self._index.search(query, count=count, after=after)
        self.given += len(page.hits)
        return page


def test_of_many_that_fit_the_index_gives_few_more_than_a_page() -> None:
    index = _Counting((held := around_here(("Praxis Lindner", number % 4) for number in range(3000))).index)
    for hours in ([], [("isOpenInMinutes", "0")]):
        asked = read(("_query", "near"), *HERE, ("text", "praxis"), *hours)
        page = result(Finding(held.listing, index, SPECIALTIES).find(asked, "insured"))
        assert (page.total, len(page.matches)) == (3000, asked.page_size)
        assert index.given <= LEVELS * (asked.page_size + 1)
        index.given = 0


@pytest.mark.parametrize("text", [[], [("text", "praxis")], [("text", "praxis"), ("isOpenInMinutes", "0")]])
def test_who_looks_at_each_lets_others_have_their_turn(
    text: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: between two turns few are asked of the index, and few are tested."""
    monkeypatch.setattr("directory_service.search.fhir.finding._FROM_INDEX", 400)
    monkeypatch.setattr("directory_service.search.fhir.finding._AT_ONCE", 50)
    index = _Counting((held := around_here(("Praxis Lindner", number % 4) for number in range(3000))).index)
    tested: list[str] = []

    def passes(item: Item) -> bool:
        tested.append(item.resource_id)
        return True

    asked = replace(read(("_query", "near"), *HERE, *text), tests=(passes,))
    steps = Finding(held.listing, index, SPECIALTIES).find(asked, "insured")
    assert not isinstance(steps, Page)
    turns = 0
    while True:
        index.given, before = 0, len(tested)
        try:
            next(steps)
        except StopIteration as end:
            page = end.value
            break
        finally:
            assert index.given <= 400
            assert len(tested) - before <= 50
        turns += 1
    assert turns >= 2 * 3000 / 50 - 2
    assert (page.total, len(tested)) == (3000, 3000)
    assert [hit.distance_m for _, hit, _ in page.matches] == [0] * asked.page_size


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", "hausarztpraxis", ["full"]),
        ("text", "1.2.276.0.76.4.54", ["pharmacy"]),
        ("text", '"1.2.276.0.76.4.50"', ["full"]),
        ("text", "1.2.276.0.76.4.51", []),
        ("location", "20095", ["pharmacy"]),
        ("location", "Lange Reihe", ["full"]),
        ("location", "hamb reihe", ["full"]),
        ("location", "Lange Reihe,Markt", ["pharmacy", "full"]),
        ("location", "Apotheke", []),
        ("specialty", "INNE", ["full"]),
        ("specialty", "INNE,ALLG", ["pharmacy", "full"]),
        ("specialty", "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4|", ["pharmacy", "full"]),
        ("specialty", "urn:other|", []),
        ("characteristics", "barrierefrei", ["full"]),
        ("characteristics", "oepnv", []),
        ("organization.type", "1.2.276.0.76.4.50", ["full"]),
        ("isOpenInMinutes", "0", ["pharmacy", "full"]),
        ("isOpenInMinutes", "180", ["pharmacy"]),
        ("isOpenInMinutes", "240", ["pharmacy", "full"]),
    ],
)
def test_a_named_query_is_narrowed_by(name: str, value: str, expected: list[str]) -> None:
    assert found((name, value)) == expected


def test_of_several_specialties_and_characteristics_all_must_fit() -> None:
    assert found(("specialty", "ALLG"), ("specialty", "INNE")) == ["full"]
    assert found(("characteristics", "barrierefrei"), ("characteristics", "parkmoeglichkeit")) == ["full"]
    assert found(("specialty", "INNE"), ("text", "apotheke")) == []


def test_who_said_no_hours_is_never_found_as_open_but_counted() -> None:
    cologne = [("_query", "near"), ("latitude", "50.94"), ("longitude", "6.96"), ("distance", "5")]

    def told(*parameters: tuple[str, str]) -> tuple[int, int]:
        page = result(FINDING.find(read(*cologne, *parameters), "insured"))
        return page.total, page.unknown_hours

    assert told() == (1, 0)
    assert [told(("isOpenInMinutes", str(60 * hour))) for hour in range(24)] == [(0, 1)] * 24
    assert told(("isOpenInMinutes", "0"), ("text", "apotheke")) == (0, 0)


def test_an_absent_practice_is_not_open() -> None:
    absent = datetime(2027, 2, 1, 9, 0, tzinfo=UTC)
    assert absent.weekday() == MONDAY.weekday()
    assert found(("isOpenInMinutes", "0"), now=absent) == ["pharmacy"]
    assert found(("isOpenInMinutes", "0"), now=absent + timedelta(days=7)) == ["pharmacy", "full"]


def test_pharmacies_have_a_query_of_their_own() -> None:
    assert found(query="nearPharmacy") == ["pharmacy"]


def test_organisation_and_place_are_sent_along() -> None:
    assert read(("_query", "near"), *HERE).includes == {"Organization", "Location"}


def test_pages_of_a_named_query_follow_each_other() -> None:
    first = page(("_count", "1"), audience="insured")
    assert (first.total, first.matches[0][0].practice.telematik_id) == (2, PHARMACY.telematik_id)
    assert first.next_page is not None
    second = page(("_count", "1"), ("_after", first.next_page), audience="insured")
    assert (second.matches[0][0].practice.telematik_id, second.next_page) == (FULL.telematik_id, None)


@pytest.mark.parametrize(("count", "size"), [("0", 1), ("1", 1), ("100", 100), ("5000", 100)])
def test_a_count_outside_its_bounds_is_the_nearest_within(count: str, size: int) -> None:
    asked = read(("_query", "near"), *HERE, ("_count", count))
    assert (asked.page_size, asked.count_only) == (size, False)


def without(name: str) -> list[tuple[str, str]]:
    """The mandatory parameters but one."""
    return [(known, value) for known, value in HERE if known != name]


REFUSED: list[tuple[list[tuple[str, str]], str, str]] = [
    ([("_query", "far"), *HERE], "_query", "query"),
    ([("_query", "near"), *without("latitude")], "latitude", "mandatory"),
    ([("_query", "near"), *without("distance")], "distance", "mandatory"),
    ([("_query", "near"), *without("distance"), ("distance", "0")], "distance", "near"),
    ([("_query", "near"), *without("distance"), ("distance", "101")], "distance", "near"),
    ([("_query", "near"), *without("latitude"), ("latitude", "91")], "latitude, longitude", "near"),
    ([("_query", "near"), *HERE, ("latitude", "1")], "latitude", "repeated"),
    ([("_query", "near"), *HERE, ("name", "x")], "name", "not-in-query"),
    ([("_query", "near"), *HERE, ("isOpenInMinutes", "-1")], "isOpenInMinutes", "minutes"),
    ([("_query", "near"), *HERE, ("isOpenInMinutes", "10081")], "isOpenInMinutes", "minutes"),
    ([("_query", "nearPharmacy"), *HERE, ("organization.type", "x")], "organization.type", "not-in-query"),
    ([("_query", "near"), *HERE, ("text", "\x00")], "text", "unprintable"),
    ([("_query", "near"), *HERE, ("_format", "xml")], "_format", "format"),
    ([("_query", "near"), *HERE, *[("specialty", "ALLG")] * 61], "specialty", "too-many"),
]


@pytest.mark.parametrize(("parameters", "parameter", "reason"), REFUSED)
def test_a_faulty_named_query_is_refused_by_name(
    parameters: list[tuple[str, str]], parameter: str, reason: str
) -> None:
    with pytest.raises(FaultyParameter) as fault:
        read(*parameters)
    assert (fault.value.parameter, fault.value.reason) == (parameter, reason)


def test_there_are_named_queries_of_healthcare_services_alone() -> None:
    with pytest.raises(FaultyParameter) as fault:
        read(("_query", "near"), *HERE, kind="Location")
    assert fault.value.reason == "query"


def test_lenience_leaves_out_what_the_query_does_not_know() -> None:
    asked = read(("_query", "near"), *HERE, ("na\x00me" * 99, "x"), lenient=True)
    assert asked.ignored == (("na\x00me" * 99)[:64].replace("\x00", ""),)
    assert [name for name, _ in asked.understood] == ["_query", "latitude", "longitude", "distance"]
