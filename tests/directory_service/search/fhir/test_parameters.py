"""The table of parameters: each finds what it names, and what it does not name stays out."""

from dataclasses import replace
from typing import Any

import pytest

from directory_service.rules.fhir.items import KINDS, LINKS, Kind, endpoint_id, items
from directory_service.rules.fhir.listing import Audience
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.capability import search_parameters
from directory_service.search.fhir.chains import Chains
from directory_service.search.fhir.finding import Finding
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.fhir.query import QueryReader
from tests.directory_service.fhir_samples import (
    ALL,
    FULL,
    HIDDEN,
    OLD_PREFIX,
    PERSON,
    PHARMACY,
    SPECIALTIES,
    listing_of,
    result,
)
from tests.directory_service.plain_scan import Scan

TABLE = ParameterTable(SPECIALTIES)
READER = QueryReader(Chains(TABLE))
LISTING = listing_of(ALL)
FINDING = Finding(LISTING, Scan(LISTING, SPECIALTIES), SPECIALTIES)
NAMES = dict(
    zip((practice.resource_id for practice in ALL), ("full", "person", "hidden", "pharmacy", "old"), strict=True)
)


def page(kind: Kind, *parameters: tuple[str, str], audience: Audience = "practices") -> Page:
    """What a search finds."""
    return result(FINDING.find(READER.read(kind, parameters), audience))


def found(kind: Kind, *parameters: tuple[str, str], audience: Audience = "practices") -> set[str]:
    """The practices whose resources a search finds."""
    return {NAMES[shown.practice.resource_id] for shown, *_ in page(kind, *parameters, audience=audience).matches}


ORGANISATIONS = {"full", "hidden", "pharmacy", "old"}
SERVICE: list[tuple[str, str, set[str]]] = [
    ("_id", FULL.resource_id, {"full"}),
    ("_id", f"{FULL.resource_id},{PERSON.resource_id},{PHARMACY.resource_id}", {"full", "pharmacy"}),
    ("_tag", "owner", ORGANISATIONS),
    ("_tag", "fdv-relevant", set()),
    ("organization._tag", "fdv-relevant", ORGANISATIONS - {"hidden"}),
    (
        "organization._tag",
        "https://gematik.de/fhir/directory/CodeSystem/ResourceTag|fdv-relevant,ldap",
        ORGANISATIONS - {"hidden"},
    ),
    ("_tag", "https://gematik.de/fhir/directory/CodeSystem/Origin|ldap", set()),
    ("identifier", FULL.telematik_id, {"full"}),
    ("identifier", f"https://gematik.de/fhir/sid/telematik-id|{FULL.telematik_id}", {"full"}),
    ("identifier", f"urn:other|{FULL.telematik_id}", set()),
    ("owner-telematik-id", OLD_PREFIX.telematik_id, {"old"}),
    ("name", "hausarztpraxis dr", {"full"}),
    ("name", "sommer", set()),
    ("name:contains", "sommer", {"full", "old"}),
    ("name:exact", "Praxis Verborgen", {"hidden"}),
    ("name:exact", "praxis verborgen", set()),
    ("name", r"Müller\, Sommer", {"old"}),
    ("name", "Mueller, Praxis", {"hidden", "old"}),
    ("name:missing", "true", set()),
    ("name:missing", "false", ORGANISATIONS),
    ("specialty", "KARD", {"old"}),
    ("specialty", "kard,INNE", {"full", "old"}),
    ("specialty", "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4|KARD", {"old"}),
    ("specialty", "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4|", ORGANISATIONS),
    ("specialty", "urn:other|KARD", set()),
    ("specialty:not", "ALLG", {"old"}),
    ("specialty:text", "allgemein", {"full", "hidden", "pharmacy"}),
    ("service-type", "INNE", {"full"}),
    ("characteristic", "barrierefrei", {"full"}),
    ("characteristic", "oepnv", set()),
    ("characteristic:missing", "true", {"hidden", "pharmacy", "old"}),
    ("communication", "uk", {"full"}),
    ("communication", "pt", {"hidden"}),
    ("communication", "PT-br", {"hidden"}),
    ("communication", "pt-PT", set()),
    ("communication:not", "pt", ORGANISATIONS - {"hidden"}),
    ("coverageAreaPostalCode", "20099", set()),
    ("holder-id", "dtrust", set()),
    ("organization", f"Organization/{FULL.resource_id}", {"full"}),
    ("organization", FULL.resource_id, {"full"}),
    ("organization", f"https://x.example/search/Organization/{FULL.resource_id}", {"full"}),
    ("organization", f"Location/{FULL.resource_id}", set()),
    ("organization:Organization", FULL.resource_id, {"full"}),
    ("organization:identifier", FULL.telematik_id, {"full"}),
    ("organization:missing", "true", set()),
    ("endpoint", f"Endpoint/{endpoint_id(FULL, FULL.profile.messengers[1])}", {"full"}),
    ("organization.active", "true", ORGANISATIONS),
    ("organization.active", "false", set()),
    ("organization.name", "praxis", {"hidden"}),
    ("organization:Organization.name", "praxis", {"hidden"}),
    ("organization.identifier", OLD_PREFIX.telematik_id, {"old"}),
    ("organization.type", "1.2.276.0.76.4.50", {"full", "hidden"}),
    ("organization.type", "1.2.276.0.76.4.54,1.2.276.0.76.4.50", {"full", "hidden", "pharmacy"}),
    ("organization.type-display", "öffentliche", {"pharmacy"}),
    ("organization.alias", "x", set()),
    ("organization.ncpeh-country", "DE", set()),
    ("organization.organizationVisibility", "hide-versicherte", {"hidden"}),
    ("location.name", "praxis", {"hidden"}),
    ("location.address", "Lange Reihe", {"full"}),
    ("location.address", "markt 1, 20095 hamburg", {"pharmacy"}),
    ("location.address-city", "hamb", {"full", "hidden", "pharmacy"}),
    ("location.address-city", "burg", set()),
    ("location.address-city:exact", "Köln", {"old"}),
    ("location:Location.address-city", "koeln", {"old"}),
    ("location.address-city", "Berlin", set()),
    ("location.address-postalcode", "2009", {"full", "hidden", "pharmacy"}),
    ("location.address-postalcode", "20095,50", {"pharmacy", "old"}),
    ("location.address-country", "DE", ORGANISATIONS),
    ("location.near", "53.55|10.0|5|km", {"full", "pharmacy"}),
    ("location.near", "53.55|10.0|1000|m", {"pharmacy"}),
    ("location.near", "53.55|10.0", {"full", "pharmacy"}),
    ("endpoint.status", "active", ORGANISATIONS),
    ("endpoint.status", "suspended", {"full"}),
    ("endpoint.payload-type", "tim-chat", ORGANISATIONS),
    ("endpoint.payload-type:text", "messenger", ORGANISATIONS),
    ("endpoint.connection-type", "tim-fa", {"full"}),
    ("endpoint.address", "matrix:u/apotheke:messenger.example", {"pharmacy"}),
    ("endpoint.address", "@apotheke:messenger.example", {"pharmacy"}),
    ("endpoint.name", "praxis", {"hidden"}),
    ("endpoint.endpointVisibility", "hide-versicherte", {"hidden"}),
    ("endpoint.owner-telematik-id", OLD_PREFIX.telematik_id, {"old"}),
    ("_text", "kardiologie", {"old"}),
    ("_content", "kardiologie", {"old"}),
    ("_text", "Arzt/Ärztin", {"full", "hidden"}),
    ("_text", '"Arzt/Ärztin"', {"full", "hidden"}),
    ("_text", "Betriebsstätte Arzt", {"full", "hidden"}),
    ("_text", "Apothekerin", {"pharmacy"}),
    ("_text", "Öffentliche Apotheke", {"pharmacy"}),
    ("_text", "1.2.276.0.76.4.54", {"pharmacy"}),
    ("_text", '"1.2.276.0.76.4.50"', {"full", "hidden"}),
    ("_text", "1.2.276.0.76.4.51", set()),
    ("_text", "arztin", {"full", "hidden"}),
    ("_text", "Aerztin Hamburg", {"full", "hidden"}),
    ("_text", '"Müller, Sommer"', {"old"}),
    ("_text", '"Sommer Müller"', set()),
    ("_text", "kardiologie,apotheke", {"pharmacy", "old"}),
    ("_text", r"müller\, sommer", {"old"}),
    ("_text", f'"{OLD_PREFIX.telematik_id}"', {"old"}),
    ("_text", "Berlin", set()),
]


@pytest.mark.parametrize(("name", "value", "expected"), SERVICE)
def test_healthcare_services_are_found_by(name: str, value: str, expected: set[str]) -> None:
    assert found("HealthcareService", (name, value)) == expected


OTHERS: list[tuple[Kind, str, str, set[str]]] = [
    ("PractitionerRole", "practitioner.active", "true", {"person"}),
    ("PractitionerRole", "practitioner.name", "dr anne", {"person"}),
    ("PractitionerRole", "practitioner.name", "Winter", {"person"}),
    ("PractitionerRole", "practitioner.name", "aenne wint", {"person"}),
    ("PractitionerRole", "practitioner.name", "inter", set()),
    ("PractitionerRole", "practitioner.name", "Winter Änne", set()),
    ("PractitionerRole", "practitioner.name:exact", "Winter", {"person"}),
    ("PractitionerRole", "practitioner.name:exact", "Dr. Änne Winter", {"person"}),
    ("PractitionerRole", "practitioner.name:exact", "winter", set()),
    ("PractitionerRole", "practitioner.qualification", "1.2.276.0.76.4.30", {"person"}),
    ("PractitionerRole", "practitioner.qualification", "Ärztin/Arzt", {"person"}),
    ("PractitionerRole", "practitioner.qualification", "1.2.276.0.76.4.31", set()),
    ("PractitionerRole", "practitioner.identifier", PERSON.telematik_id, {"person"}),
    ("PractitionerRole", "practitioner.communication", "de", {"person"}),
    ("PractitionerRole", "location.address-city", "bad hom", {"person"}),
    ("PractitionerRole", "location.near", "53.6|10.1|1|km", {"person"}),
    ("PractitionerRole", "specialty", "KARD", {"person"}),
    ("PractitionerRole", "endpoint.payload-type", "tim-chat", {"person"}),
    ("PractitionerRole", "_text", "kardiologie", {"person"}),
    ("Practitioner", "name", "dr", {"person"}),
    ("Practitioner", "name", "Änne", {"person"}),
    ("Practitioner", "_has:PractitionerRole:practitioner:specialty", "KARD", {"person"}),
    ("Practitioner", "_has:PractitionerRole:practitioner:location.address-city", "Hamburg", set()),
    ("Organization", "name", "praxis", {"hidden"}),
    ("Organization", "address-city", "köln", {"old"}),
    ("Organization", "active", "true", ORGANISATIONS),
    ("Organization", "_has:HealthcareService:organization:endpoint.status", "active", ORGANISATIONS),
    ("Organization", "_has:HealthcareService:organization:specialty", "INNE", {"full"}),
    ("Location", "address-postalcode", "22111", {"person"}),
    ("Location", "near", "53.6|10.1|1|km", {"person"}),
    ("Location", "organization.name", "praxis", {"hidden"}),
    ("Location", "organization:missing", "true", {"person"}),
    ("Endpoint", "status", "active", {*ORGANISATIONS, "person"}),
    ("Endpoint", "status", "suspended", {"full"}),
    ("Endpoint", "address", "matrix:u/winter", {"person"}),
    ("Endpoint", "connection-type", "tim-bot", {"pharmacy"}),
    ("Endpoint", "_id", endpoint_id(FULL, FULL.profile.messengers[1]), {"full"}),
    ("Endpoint", "_has:HealthcareService:endpoint:identifier", FULL.telematik_id, {"full"}),
    ("Endpoint", "_text", "kardiologie", {"old", "person"}),
]


@pytest.mark.parametrize(("kind", "name", "value", "expected"), OTHERS)
def test_other_resources_are_found_by(kind: Kind, name: str, value: str, expected: set[str]) -> None:
    assert found(kind, (name, value)) == expected


def chains() -> list[tuple[Kind, Kind, str]]:
    """Every chain of one link, in both directions: the kind that is searched, the kind that is led to, and how."""
    return [
        chain
        for kind in KINDS
        for reference, target in LINKS[kind].items()
        for chain in ((kind, target, f"{reference}."), (target, kind, f"_has:{kind}:{reference}:"))
    ]


@pytest.mark.parametrize(("kind", "target", "chain"), chains())
def test_a_chain_finds_nothing_of_who_lacks_what_it_leads_to(kind: Kind, target: Kind, chain: str) -> None:
    """Also what holds for every resource of the other kind holds for none where there is none."""
    nowhere = [replace(practice, profile=replace(practice.profile, address=None)) for practice in ALL]
    missing = [one for one in (*ALL, *nowhere) if items(kind, one) and not items(target, one)]
    without = listing_of(missing)
    finding = Finding(without, Scan(without, SPECIALTIES), SPECIALTIES)
    values = ("true", "false", "tim-chat", "active", "owner", "a")
    further = [f"{link}.{name}" for link, led_to in LINKS[target].items() for name in TABLE.of(led_to)]
    for name in (*TABLE.of(target), *further):
        for asked in (name, f"{name}:missing"):
            for value in ("true", "false") if asked != name else values:
                search = READER.read(kind, [(chain + asked, value)])
                assert result(finding.find(search, "practices")).total == 0, (asked, value)


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_of_the_capability_statement_is_understood(kind: Kind) -> None:
    values = {"_complexSearch": "true", "_summary": "false", "_total": "none", "_count": "5"}
    for name, parameter_type, _ in search_parameters(kind, TABLE):
        value = "53|10|5|km" if parameter_type == "special" else values.get(name, "x1")
        READER.read(kind, [(name, value)])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("colour", "unknown"),
        ("organization.colour", "unknown"),
        ("location.organization.colour", "unknown"),
        ("practitioner.name", "unknown"),
        ("organization:Location.name", "unknown"),
        ("_has:Endpoint:x:y", "unknown"),
        ("_has:HealthcareService:location:name", "unknown"),
        ("_sort", "unknown"),
        ("_TEXT", "unknown"),
        ("", "unknown"),
        ("name:sounds", "modifier"),
        ("specialty:above", "modifier"),
        ("organization:above", "modifier"),
        ("name:missing", "true-or-false"),
        ("_complexSearch", "true-or-false"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(name: str, reason: str) -> None:
    with pytest.raises(FaultyParameter) as fault:
        READER.read("HealthcareService", [(name, "x")])
    assert (fault.value.parameter, fault.value.reason) == (name, reason)


def test_an_operator_excludes_words_and_phrases() -> None:
    operators = ("_complexSearch", "true")
    assert found("HealthcareService", operators, ("_text", "sommer -partner")) == {"full"}
    assert found("HealthcareService", operators, ("_text", "verborgen|apotheke*")) == {"hidden", "pharmacy"}
    assert found("HealthcareService", operators, ("_text", 'sommer -"sommer und partner"')) == {"full"}


def test_all_parameters_must_fit() -> None:
    both = [("_text", "sommer"), ("location.address-city", "Hamburg")]
    assert found("HealthcareService", *both) == {"full"}
    assert found("HealthcareService", ("_text", "sommer,verborgen"), ("_text", "hamburg")) == {"full", "hidden"}


def test_who_hides_from_insured_people_is_shown_to_practices_alone() -> None:
    for kind in ("HealthcareService", "Organization", "Location", "Endpoint"):
        assert "hidden" in found(kind)
        assert "hidden" not in found(kind, audience="insured")
    assert found("HealthcareService", ("identifier", HIDDEN.telematik_id), audience="insured") == set()
    assert found("HealthcareService", ("_text", "verborgen"), audience="insured") == set()


def lenient(*parameters: tuple[str, str]) -> Any:
    """A search read with lenience."""
    return READER.read("HealthcareService", parameters, lenient=True)


def test_lenience_ignores_what_is_unknown_and_says_so_but_no_faulty_value() -> None:
    asked = lenient(("_sort", "name"), ("name:sounds", "x"), ("name", "praxis"))
    assert (asked.ignored, asked.understood) == (("_sort", "name:sounds"), (("name", "praxis"),))
    with pytest.raises(FaultyParameter):
        lenient(("location.near", "x"))
