"""FHIR search parameters: what is understood, and that everything else is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.fhir_search import (
    DEFAULT_COUNT,
    PARAMETERS,
    FaultyParameter,
    FhirSearch,
    Position,
    read_search,
)
from directory_service.rules.specialties import CODE_SYSTEM, Specialty, SpecialtyTable

TABLE = SpecialtyTable([Specialty("ALLG", "Allgemeinmedizin", ("Hausarzt",)), Specialty("KARD", "Kardiologie")])


def read(*parameters: tuple[str, str]) -> FhirSearch:
    return read_search(parameters, TABLE)


def test_nothing_asked_finds_a_first_page_of_everything() -> None:
    assert read() == FhirSearch()
    assert read().count == DEFAULT_COUNT


def test_words_of_all_texts_must_fit_and_know_their_specialties() -> None:
    search = read(("_text", "Hausarzt Hamburg"), ("_text", "hamburg, Müller")).search
    assert [word.text for word in search.words] == ["hausarzt", "hamburg", "muller"]
    assert [word.specialties for word in search.words] == [{"ALLG"}, set(), set()]


def test_commas_mean_or_and_an_escaped_comma_is_part_of_the_value() -> None:
    search = read(("location.address-city", r"Bad Homburg,Köln"), ("location.address-city", r"a\,b")).search
    assert search.cities == (("bad homburg", "koln"), ("a b",))


def test_specialties_are_codes_with_or_without_their_system() -> None:
    search = read(("specialty", f"ALLG,{CODE_SYSTEM}|KARD,urn:oid:1.2.3|INNE,|HAUT")).search
    assert search.specialties == (("ALLG", "KARD"),)


def test_includes_add_up_and_a_star_means_all() -> None:
    one = read(("_include", "HealthcareService:location"), ("_include", "HealthcareService:endpoint"))
    assert one.includes == {"location", "endpoint"}
    assert read(("_include", "*")).includes == {"organization", "location", "endpoint"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("name", "Sommer", "unknown"),
        ("location.near", "53.5|10|5|km", "unknown"),
        ("location.address-city:exact", "Hamburg", "unknown"),
        ("_TEXT", "Sommer", "unknown"),
        ("specialty", "\x00", "unprintable"),
        ("specialty", f"ALLG,{CODE_SYSTEM}|KA\nRD", "unprintable"),
        ("", "", "unknown"),
        ("organization.active", "false", "only-true"),
        ("organization.active", "", "only-true"),
        ("_count", "0", "count"),
        ("_count", "101", "count"),
        ("_count", "-1", "count"),
        ("_count", "٣", "count"),
        ("_count", "", "count"),
        ("_include", "HealthcareService:photo", "include"),
        ("_text", "", "no-word"),
        ("_text", "…", "no-word"),
        ("specialty", "", "no-word"),
        ("location.address-city", "Köln,", "no-word"),
        ("location.address-postalcode", "-", "no-word"),
        ("_text", " ".join(f"w{number}" for number in range(33)), "too-many-words"),
        ("_after", "nonsense", "page"),
        ("_after", "W10", "page"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(FaultyParameter) as fault:
        read(("_text", "Sommer"), (name, value))
    assert (fault.value.parameter, fault.value.reason) == (name, reason)


@pytest.mark.parametrize("name", ["_count", "_after"])
def test_a_page_is_asked_for_once(name: str) -> None:
    value = "5" if name == "_count" else Position("a", "b").token()
    with pytest.raises(FaultyParameter) as fault:
        read((name, value), (name, value))
    assert fault.value.reason == "repeated"


@given(st.lists(st.tuples(st.sampled_from([*PARAMETERS, "_after", "name"]), st.text(max_size=12)), max_size=4))
def test_any_parameters_are_either_understood_or_refused(parameters: list[tuple[str, str]]) -> None:
    refused: str | None = None
    try:
        search = read_search(parameters, TABLE)
    except FaultyParameter as fault:
        refused = fault.parameter
    else:
        assert 1 <= search.count <= 100
    assert refused is None or refused in {name for name, _ in parameters}


@given(st.text("abc 09", max_size=30), st.uuids())
def test_a_position_survives_its_link(name: str, resource_id: object) -> None:
    position = Position(name, str(resource_id))
    assert Position.from_token(position.token()) == position


@given(st.text())
def test_a_made_up_position_is_refused_or_harmless(token: str) -> None:
    try:
        position = Position.from_token(token)
    except ValueError:
        return
    assert f"{position.name}{position.resource_id}".isprintable()
