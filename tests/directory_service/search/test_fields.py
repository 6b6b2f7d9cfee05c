"""A field that is declared is found by: a made-up one is a declaration and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from directory_service.rules.fhir.items import items
from directory_service.rules.fhir.values import Coded
from directory_service.rules.places import PostcodeCentroids
from directory_service.rules.practice import Practice
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.capability import search_parameters
from directory_service.search.fhir.chains import Chains
from directory_service.search.fhir.finding import Finding
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.fhir.query import QueryReader
from directory_service.search.fields import SEARCH_FIELDS, SearchField
from directory_service.search.held import Held
from directory_service.search.index.entry import Indexer
from directory_service.search.index.practice_index import PracticeIndex
from tests.directory_service.fhir_samples import ALL, FULL, SPECIALTIES

SYSTEM = "urn:made-up:initials"


def _initials(practice: Practice) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word[0] for word in practice.profile.name.split()))


INITIALS = SearchField(
    "initials",
    _initials,
    lambda code: Coded(SYSTEM, code),
    {"HealthcareService": "initial", "Practitioner": "initial"},
    "the first letter of a word of the name",
)
FIELDS = (*SEARCH_FIELDS, INITIALS)
TABLE = ParameterTable(SPECIALTIES, FIELDS)
CHAINS = Chains(TABLE)


@pytest.fixture(name="held", params=["all at once", "one by one"])
def held_practices(request: pytest.FixtureRequest) -> Held:
    """The samples in memory."""
    held = Held(Indexer(SPECIALTIES, PostcodeCentroids({}), FIELDS), PracticeIndex(fields=FIELDS))
    if request.param == "all at once":
        held.load(ALL)
    else:
        for practice in ALL:
            held.put(practice)
    return held


def found(held: Held, name: str, value: str) -> set[str]:
    """What the index answers alone; a search that looks at each practice would be ``Steps``."""
    asked = QueryReader(CHAINS).read("HealthcareService", [(name, value), ("_count", "100")])
    assert asked.tests == ()
    page = Finding(held.listing, held.index, SPECIALTIES).find(asked, "practices")
    assert isinstance(page, Page)
    return {shown.practice.resource_id for shown, _, _ in page.matches}


def scanned(held: Held, name: str, value: str) -> set[str]:
    """What looking at each resource finds."""
    test = CHAINS.test("HealthcareService", name, value)
    return {
        practice.resource_id for practice in held.listing for item in items("HealthcareService", practice) if test(item)
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("initial", ["P", "p", "D,S", f"{SYSTEM}|P", f"{SYSTEM}|", "urn:other|P", "|P", "?", f"{SYSTEM}\\|P"]),
        ("communication", ["de", "DE", "uk,pt", "urn:ietf:bcp:47|de", "urn:ietf:bcp:47|", "|de", "xx"]),
        ("characteristic", ["barrierefrei", "parkmoeglichkeit", "barrierefrei:full", "x|barrierefrei"]),
        ("organization.type", ["1.2.276.0.76.4.50", "1.2.276.0.76.4.54", "1"]),
        ("organization:Organization.type", ["1.2.276.0.76.4.50"]),
    ],
)
def test_index_and_scan_find_the_same(held: Held, name: str, values: list[str]) -> None:
    results = [found(held, name, value) for value in values]
    assert results == [scanned(held, name, value) for value in values]
    assert any(results)


def test_a_practice_that_changes_is_found_by_what_it_is_now(held: Held) -> None:
    changed = replace(FULL, profile=replace(FULL.profile, name="Zentrum"), version=FULL.version + 1)
    assert found(held, "initial", "Z") == set()
    held.put(changed)
    assert found(held, "initial", "Z") == {FULL.resource_id}
    held.put(FULL)
    assert found(held, "initial", "Z") == set()


def test_it_is_told_of() -> None:
    told = search_parameters("HealthcareService", TABLE)
    assert ("initial", "token", "the first letter of a word of the name") in told
    assert "practitioner.initial" in {name for name, *_ in search_parameters("PractitionerRole", TABLE)}


def test_each_field_has_a_name_of_its_own() -> None:
    assert len({field.name for field in SEARCH_FIELDS}) == len(SEARCH_FIELDS)
