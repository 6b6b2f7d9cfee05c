"""gematik's named queries: what is around a point, nearest first, and what is open then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from directory_service.rules.fhir.asked import Asked
from directory_service.rules.fhir.bundle import Page
from directory_service.rules.fhir.chains import Chains
from directory_service.rules.fhir.finding import Finding
from directory_service.rules.fhir.held import Held
from directory_service.rules.fhir.items import Kind
from directory_service.rules.fhir.listing import Audience
from directory_service.rules.fhir.named_queries import NamedQueryReader
from directory_service.rules.fhir.parameters import ParameterTable
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.rules.index.entry import Indexer
from directory_service.rules.index.practice_index import PracticeIndex
from directory_service.rules.opening_hours import OpeningHours, TimeBlock
from directory_service.rules.places import PostcodeCentroids
from directory_service.rules.profile import Position
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
    return [NAMES[match.practice.resource_id] for match in matches]


def test_what_is_near_is_found_nearest_first_with_its_distance() -> None:
    assert found() == ["pharmacy", "full"]
    distances = [match.hit.distance_m for match in page(audience="insured").matches]
    assert distances[0] == 0
    assert distances[1] is not None
    assert 1000 < distances[1] < 2000


def test_what_is_nearer_comes_first_however_well_the_text_fits() -> None:
    """Also over pages, and the same without a text."""
    assert FULL.profile.address is not None
    # The last three are at one place: there the better fit comes first, then the name.
    names = ("Praxis Müllermann", "Praxis Müller", "Praxis A. Müllre", "Praxis B. Mülller", "Praxis C. Müllre")
    practices = []
    for step, name in enumerate(names, 1):
        address = replace(FULL.profile.address, position=Position(53.55 + min(step, 3) / 100, 10.0))
        profile = replace(FULL.profile, name=name, address=address)
        practices.append(replace(FULL, resource_id=name, telematik_id=name, profile=profile))
    held = Held(Indexer(SPECIALTIES, PostcodeCentroids({})), PracticeIndex(SPECIALTIES.knows))
    held.load(practices)
    finding = Finding(held.listing, held.index, SPECIALTIES)
    for text in ([], [("text", "mueller")], [("text", "mueller"), ("isOpenInMinutes", "0")]):
        seen: list[str] = []
        after: list[tuple[str, str]] = []
        while True:
            page = result(finding.find(read(("_query", "near"), *HERE, *text, ("_count", "1"), *after), "insured"))
            seen += [match.practice.profile.name for match in page.matches]
            if page.next_page is None:
                break
            after = [("_after", page.next_page)]
        assert tuple(seen) == names


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
    assert (first.total, first.matches[0].practice.telematik_id) == (2, PHARMACY.telematik_id)
    assert first.next_page is not None
    second = page(("_count", "1"), ("_after", first.next_page), audience="insured")
    assert (second.matches[0].practice.telematik_id, second.next_page) == (FULL.telematik_id, None)


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
