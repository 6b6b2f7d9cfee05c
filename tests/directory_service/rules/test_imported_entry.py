"""How entries of the national directory are read, and what an import may change in a practice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.imported_entry import (
    OPT_OUT,
    Hidden,
    ImportedEntry,
    ImportRules,
    after_import,
    read_entry,
    without_opt_out,
)
from directory_service.rules.practice import (
    Consent,
    Practice,
    PracticeState,
    is_listed,
    is_open_to_insured,
    reachable_addresses,
)
from directory_service.rules.profile import Accessibility, Address, Feature, Grade, Messenger, Position, Profile
from directory_service.rules.reading.element import Fault
from tests.directory_service.fhir_samples import PROFILES
from tests.directory_service.rules.reading.test_times import WORDS
from tests.directory_service.vzd_samples import endpoint, entry, example, hiding, hiding_organization, telematik_id

RULES = ImportRules(PROFILES, WORDS, {"messenger.example"}, opt_out=False)
TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ID = telematik_id(1)
ADDRESS = "@praxis-1:tim.example"


def read(*resources: Mapping[str, Any]) -> tuple[ImportedEntry | None, list[Fault]]:
    """The one entry that some resources are."""
    known = {f"{one['resourceType']}/{one['id']}": one for one in resources}
    (owner,) = [item for item in known.items() if item[0].startswith(("Organization/", "Practitioner/"))]
    services = [item for item in known.items() if item[0].startswith(("HealthcareService/", "PractitionerRole/"))]
    return read_entry(owner, sorted(services), known, RULES, TODAY)


def profile_of(*resources: Mapping[str, Any]) -> Profile:
    found, _ = read(*resources)
    assert found is not None
    return found.profile


def test_an_entry_is_put_together_from_its_resources() -> None:
    found, faults = read(*entry(1, name="Praxis  am\tMarkt"))
    assert found is not None
    profile = found.profile
    assert (found.telematik_id, found.active, faults) == (ID, True, [])
    assert (profile.name, profile.specialties) == ("Praxis am Markt", ("ALLG",))
    assert profile.address == Address("Weg 1", "20099", "Hamburg", Position(53.55, 10.0))
    assert profile.messengers == (Messenger(ADDRESS),)
    assert profile.opening_hours.weekly is not None
    assert not profile.hide_from_insured


def test_gematiks_own_pharmacy_is_understood() -> None:
    service, place = (
        example("HealthcareService-PharmacyHealthCareServiceExample"),
        example("Location-PharmacyLocationExample"),
    )
    owner = entry(1)[0] | {"id": "PharmacyOrganizationExample", "name": "Rathausapotheke GmbH"}
    messenger = example("Endpoint-MessengerEndpointWithVisibility")
    found, faults = read(service, place, owner, messenger)
    assert found is not None
    profile = found.profile
    assert (faults, profile.name, len(profile.messengers)) == ([], "Rathausapotheke GmbH", 1)
    assert found.hidden.addresses == {profile.messengers[0].user_id}
    parking, transport = Feature.PARKING, Feature.PUBLIC_TRANSPORT
    assert profile.accessibility == (
        Accessibility(parking, Grade.FULL, "Vor dem Haus"),
        Accessibility(transport, Grade.FULL),
    )
    assert profile.address is not None


def test_gematiks_own_practitioner_is_understood() -> None:
    practitioner = example("Practitioner-TIPractitionerExample001")
    role = example("PractitionerRole-PractitionerRoleExample") | {
        "practitioner": {"reference": "Practitioner/TIPractitionerExample001"}
    }
    found, faults = read(practitioner, role, example("Location-LocationExample"), endpoint(1))
    assert found is not None
    assert (found.profile.name, found.active) == ("Dr. Max Manfred Mustermann", False)
    assert [fault.expression for fault in faults] == ["PractitionerRole.endpoint[0].reference"]


def test_several_services_of_one_organisation_are_one_practice() -> None:
    first = entry(1)
    second = entry(2)[1] | {"providedBy": {"reference": "Organization/o1"}, "availableTime": []}
    second["type"] = [{"coding": [{"system": second["type"][0]["coding"][0]["system"], "code": "KARD"}]}]
    profile = profile_of(*first, second, *entry(2)[2:])
    assert profile.specialties == ("ALLG", "KARD")
    assert [messenger.user_id for messenger in profile.messengers] == [ADDRESS, "@praxis-2:tim.example"]
    assert profile.address is not None
    assert profile.address.line == "Weg 1"


def changed(place: int, **values: object) -> list[dict[str, Any]]:
    """An entry with other values in one of its resources."""
    resources = entry(1)
    resources[place] = resources[place] | values
    return resources


@pytest.mark.parametrize(
    ("resources", "expression"),
    [
        (changed(0, identifier=[]), "Organization.identifier"),
        (changed(0, identifier="2-1"), "Organization.identifier"),
        (changed(0, name=None), "Organization.name"),
        (changed(0, name="!"), "Organization.name"),
        (changed(0, name="x" * 121), "Organization.name"),
        ([entry(1)[0]], "Organization"),
    ],
)
def test_an_entry_that_nobody_could_be_shown_is_rejected(resources: list[dict[str, Any]], expression: str) -> None:
    found, faults = read(*resources)
    assert found is None
    assert expression in {fault.expression for fault in faults}


@pytest.mark.parametrize(
    ("resources", "expression"),
    [
        (changed(2, address={"city": "Hamburg", "postalCode": "20099"}), "Location.address.line"),
        (
            changed(2, address={"line": ["Weg 1"], "city": "Hamburg", "postalCode": "D-1"}),
            "Location.address.postalCode",
        ),
        (changed(2, position={"latitude": 91, "longitude": 10}), "Location.position.latitude"),
        (changed(3, address="mailto:praxis@tim.example"), "Endpoint.address"),
        (changed(3, address="matrix:u/praxis:messenger.example"), "Endpoint.address"),
        (changed(3, status="maybe"), "Endpoint.status"),
        (entry(1)[:3], "HealthcareService.endpoint[0].reference"),
        (changed(1, communication=[{"coding": [{"system": "urn:ietf:bcp:47", "code": "!"}]}]), ""),
    ],
)
def test_what_cannot_be_kept_is_left_out_and_named_and_the_entry_stays(
    resources: list[dict[str, Any]], expression: str
) -> None:
    found, faults = read(*resources)
    assert found is not None
    named = [fault.expression for fault in faults]
    assert named[0].startswith(expression or "HealthcareService.communication[0].coding[0].code")


def test_no_fault_repeats_a_value() -> None:
    secret = "Geheim"
    odd: Any = {
        "resourceType": "Location",
        "id": "l1",
        "address": {"line": [secret], "city": secret, "postalCode": secret},
    }
    service = changed(
        1, type=[{"coding": [{"system": SYSTEM, "code": secret}]}], availableTime=[{"daysOfWeek": [secret]}]
    )
    _, faults = read(*service[:2], odd, endpoint(1, secret))
    assert len(faults) >= 4
    assert not any(secret in fault.text or secret in fault.expression for fault in faults)


SYSTEM = entry(1)[1]["type"][0]["coding"][0]["system"]


@pytest.mark.parametrize(
    ("address", "user_id"),
    [
        ("matrix:u/praxis:tim.example", "@praxis:tim.example"),
        ("@praxis:tim.example:8448", "@praxis:tim.example:8448"),
        ("matrix:u/a%3D40b:tim.example", "@a=40b:tim.example"),
    ],
)
def test_both_ways_to_write_an_address_are_understood(address: str, user_id: str) -> None:
    assert profile_of(*entry(1, endpoint(1, address))).active_addresses == (user_id,)


def test_an_address_that_hides_is_for_practices_alone_and_the_others_stay() -> None:
    found = profile_of(*entry(1, endpoint(1, extension=hiding()), endpoint(2)))
    assert found.active_addresses == (ADDRESS, "@praxis-2:tim.example")
    assert found.insured_addresses == ("@praxis-2:tim.example",)


def test_an_extension_of_visibility_that_cannot_be_read_hides() -> None:
    odd = [{"url": hiding()[0]["url"], "valueCoding": {"code": "show"}}]
    found, faults = read(*entry(1, endpoint(1, extension=odd)))
    assert found is not None
    assert (found.profile.insured_addresses, len(faults)) == ((), 1)


def imported(opt_out: bool, *resources: Mapping[str, Any], before: Practice | None = None) -> Practice:
    said, _ = read(*resources)
    change = after_import(before, said, Hidden(), NOW, telematik_id=ID, opt_out=opt_out)
    assert change is not None
    return change.practice


def test_without_the_opt_out_model_an_imported_entry_is_neither_found_nor_reachable() -> None:
    practice = imported(False, *entry(1))
    assert (practice.state, practice.user_id, practice.consent) == (PracticeState.INVITED, None, None)
    assert (is_listed(practice), reachable_addresses(practice)) == (False, frozenset())


SILENT = endpoint(1, status="suspended")


@pytest.mark.parametrize(
    ("resources", "listed", "reachable"),
    [
        (entry(1), True, {ADDRESS}),
        (entry(1, active=False), False, set()),
        (entry(1, SILENT), False, set()),
        (entry(1, endpoint(1, extension=hiding())), True, set()),
        (changed(0, extension=hiding_organization()), True, set()),
    ],
)
def test_under_the_opt_out_model_an_active_entry_is_found_unless_it_hides(
    resources: list[dict[str, Any]], listed: bool, reachable: set[str]
) -> None:
    practice = imported(True, *resources)
    assert (is_listed(practice), is_open_to_insured(practice)) == (listed, bool(reachable))
    assert reachable_addresses(practice) == reachable
    if listed:
        assert practice.consent == Consent(OPT_OUT, OPT_OUT, NOW)


def test_the_same_again_changes_nothing() -> None:
    practice, (said, _) = imported(True, *entry(1)), read(*entry(1))
    later = NOW.replace(year=2027)
    assert after_import(practice, said, Hidden(), later, telematik_id=ID, opt_out=True) is None
    hidden = after_import(practice, said, Hidden(), later, telematik_id=ID, opt_out=False)
    assert hidden is not None
    assert (hidden.practice.state, hidden.practice.consent) == (PracticeState.INVITED, None)


def test_of_an_entry_that_is_gone_the_telematik_id_alone_stays() -> None:
    practice = imported(True, *entry(1))
    gone = after_import(practice, None, Hidden(), NOW, telematik_id=ID, opt_out=True)
    assert gone is not None
    assert gone.practice == replace(practice, state=PracticeState.WITHDRAWN, consent=None, profile=Profile(ID))
    assert imported(True, *entry(1), before=gone.practice) == practice


OWNED = Practice(
    ID,
    "r1",
    "@own:messenger.example",
    PracticeState.OPTED_IN,
    Profile("Unsere Praxis", messengers=(Messenger("@own:messenger.example"), Messenger(ADDRESS))),
    Consent("1", ID, NOW),
)
ADDRESSES = st.frozensets(st.sampled_from(["@own:messenger.example", ADDRESS, "@other:tim.example"]))
HIDDEN = st.builds(Hidden, st.booleans(), ADDRESSES)
STATES = st.sampled_from([state for state in PracticeState if state is not PracticeState.INVITED])


@given(state=STATES, said=st.none() | HIDDEN, told=HIDDEN, active=st.booleans(), opt_out=st.booleans())
def test_a_practice_that_joined_keeps_all_but_what_is_newly_hidden(
    state: PracticeState, said: Hidden | None, told: Hidden, active: bool, opt_out: bool
) -> None:
    before = replace(OWNED, state=state)
    entry_now = None
    if said is not None:
        messengers = tuple(Messenger(one, hide_from_insured=True) for one in sorted(said.addresses))
        entry_now = ImportedEntry(ID, active, Profile("Anders", messengers=messengers, hide_from_insured=said.entry))
    change = after_import(before, entry_now, told, NOW, telematik_id=ID, opt_out=opt_out)
    after = change.practice if change else before
    newly = said.addresses - told.addresses if said else frozenset()
    hides = said is not None and said.entry and not told.entry
    assert {one.user_id for one in after.profile.messengers if one.hide_from_insured} == newly & {
        one.user_id for one in before.profile.messengers
    }
    assert after.profile.hide_from_insured == hides
    open_again = tuple(replace(one, hide_from_insured=False) for one in after.profile.messengers)
    assert replace(after, profile=replace(after.profile, messengers=open_again, hide_from_insured=False)) == before
    assert reachable_addresses(after) <= reachable_addresses(before)


@pytest.mark.parametrize(
    ("user_id", "state"), [(None, PracticeState.INVITED), ("@p:a.example", PracticeState.VERIFIED)]
)
def test_where_the_opt_out_model_ends_a_practice_is_asked(user_id: str | None, state: PracticeState) -> None:
    shown = replace(imported(True, *entry(1)), user_id=user_id)
    asked = without_opt_out(shown)
    assert (asked.state, asked.consent, asked.profile) == (state, None, shown.profile)
