"""Opening hours, absence and the state of addresses as FHIR has them."""

from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest

from directory_service.rules.absence import Absence
from directory_service.rules.fhir.fragments import Fragments, resource
from directory_service.rules.fhir.items import KINDS, Item, endpoint_id, items
from directory_service.rules.opening_hours import OpeningHours, SpecialDay, TimeBlock
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Messenger, Profile
from tests.directory_service.fhir_samples import ALL, FULL, PERSON, PHARMACY, WORDING, listing_of

GEMATIK = "https://gematik.de/fhir/directory"


def service(**changes: Any) -> dict[str, Any]:
    """The HealthcareService of the organisation with everything, its profile changed."""
    changed = replace(FULL, profile=replace(FULL.profile, **changes))
    return resource(Item("HealthcareService", changed), WORDING)


@pytest.mark.parametrize(("specialties", "code"), [(("PST",), "52"), (("PST", "ALLG"), "50"), (("PSYC",), "50")])
def test_an_organization_is_a_psychotherapists_practice_if_it_does_nothing_else(
    specialties: tuple[str, ...], code: str
) -> None:
    changed = replace(FULL, profile=replace(FULL.profile, specialties=specialties))
    ((coding,),) = [one["coding"] for one in resource(Item("Organization", changed), WORDING)["type"]]
    assert (coding["system"], coding["code"]) == (
        f"{GEMATIK}/CodeSystem/OrganizationProfessionOID",
        f"1.2.276.0.76.4.{code}",
    )


def test_each_block_of_the_week_is_a_time_of_one_day() -> None:
    weekly = [time for time in service()["availableTime"] if "daysOfWeek" in time]
    assert [(time["daysOfWeek"], time["availableStartTime"], time["availableEndTime"]) for time in weekly] == [
        (["mon"], "08:00:00", "12:00:00"),
        (["mon"], "14:00:00", "23:59:59"),
        (["tue"], "08:00:00", "12:00:00"),
        (["thu"], "08:00:00", "12:00:00"),
    ]


def test_a_special_day_with_hours_is_an_extension_with_moments_in_german_time() -> None:
    (special,) = [time for time in service()["availableTime"] if "daysOfWeek" not in time]
    (extension,) = special["extension"]
    assert extension["url"] == f"{GEMATIK}/StructureDefinition/SpecialOpeningTimesEX"
    period, qualifier = extension["extension"]
    assert period == {
        "url": "period",
        "valuePeriod": {"start": "2026-12-27T08:00:00+01:00", "end": "2026-12-27T12:00:00+01:00"},
    }
    assert qualifier["valueCoding"] == {"system": f"{GEMATIK}/CodeSystem/OpeningTimeQualifierCS", "code": "notdienst"}


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 10, 25), "2026-10-25T01:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        (date(2026, 3, 29), "2026-03-29T01:00:00+01:00", "2026-03-30T00:00:00+02:00"),
    ],
)
def test_hours_on_the_day_the_clocks_change_stay_what_the_clock_on_the_wall_says(
    day: date, start: str, end: str
) -> None:
    hours = OpeningHours(special=(SpecialDay(day, (TimeBlock(60, 24 * 60),)),))
    (special,) = service(opening_hours=hours)["availableTime"]
    assert special["extension"][0]["extension"][0]["valuePeriod"] == {"start": start, "end": end}


def test_closed_days_and_the_absence_say_why_nobody_is_there() -> None:
    assert service()["notAvailable"] == [
        {"description": "Heiligabend", "during": {"start": "2026-12-24", "end": "2026-12-24"}},
        {"description": "Geschlossen", "during": {"start": "2026-12-31", "end": "2026-12-31"}},
        {
            "description": "Abwesend, Vertretung: Praxis Winter, 040 123",
            "during": {"start": "2027-02-01", "end": "2027-02-05"},
        },
    ]


def test_an_absence_without_a_substitute_is_told_too() -> None:
    away = Absence(date(2027, 2, 1), date(2027, 2, 1))
    known = service(absence=away, opening_hours=OpeningHours())
    assert known["notAvailable"] == [
        {"description": "Abwesend", "during": {"start": "2027-02-01", "end": "2027-02-01"}}
    ]


def test_who_said_nothing_about_hours_has_neither_times_nor_empty_lists() -> None:
    known = service(absence=None, opening_hours=OpeningHours())
    assert not {"availableTime", "notAvailable"} & set(known)


def test_a_feature_that_is_not_there_is_no_characteristic_but_is_told() -> None:
    known = service()
    codes = [characteristic["coding"][0]["code"] for characteristic in known["characteristic"]]
    assert codes == ["barrierefrei", "parkmoeglichkeit"]
    missing = [extension for extension in known["extension"] if extension["url"].endswith("feature-missing")]
    assert [extension["valueCode"] for extension in missing] == ["oepnv"]
    notes = [extension["valueString"] for extension in known["characteristic"][0]["extension"][:1]]
    assert notes == ["Stufe am Eingang"]


def test_a_persons_hours_stand_in_the_role() -> None:
    role = resource(Item("PractitionerRole", PERSON), WORDING)
    assert [time["daysOfWeek"] for time in role["availableTime"]] == [
        ["mon"], ["tue"], ["wed"], ["thu"], ["fri"], ["sat"], ["sun"]
    ]  # fmt: skip


def test_an_address_that_does_not_answer_is_suspended() -> None:
    states = [resource(item, WORDING)["status"] for item in items("Endpoint", FULL)]
    assert states == ["active", "suspended"]


@pytest.mark.parametrize("practice", ALL)
def test_each_reference_leads_to_a_resource_of_the_practice(practice: Practice) -> None:
    known = [item for kind in KINDS for item in items(kind, practice)]
    references = {
        found["reference"] for item in known for found in _references(resource(item, WORDING)) if "reference" in found
    }
    assert references
    assert references <= {item.reference for item in known}


def _references(value: object) -> list[dict[str, str]]:
    if isinstance(value, list):
        return [found for part in value for found in _references(part)]
    if isinstance(value, dict):
        own = [value] if "reference" in value else []
        return own + [found for part in value.values() for found in _references(part)]
    return []


def test_an_entry_stays_with_the_practice_and_both_audiences_share_it_if_they_are_shown_the_same() -> None:
    fragments, listing = Fragments(WORDING), listing_of([PERSON, PHARMACY])
    entries: dict[str, bytes] = {}
    for practice in (PERSON, PHARMACY):
        shown = listing.shown_to("insured")[practice.resource_id]
        assert listing.shown_to("practices")[practice.resource_id] is shown
        entry = entries[practice.resource_id] = fragments.entry(shown)
        assert fragments.entry(shown) is entry
        resource_id, _, json = entry.partition(b'","resource":')
        assert (resource_id.decode(), orjson.loads(json)["id"]) == (practice.resource_id, practice.resource_id)
    renamed = replace(PHARMACY, profile=Profile("Neue Apotheke", messengers=PHARMACY.profile.messengers), version=9)
    listing.put(renamed)
    assert b"Neue Apotheke" in fragments.entry(listing.shown_to("insured")[PHARMACY.resource_id])
    assert fragments.entry(listing.shown_to("insured")[PERSON.resource_id]) is entries[PERSON.resource_id]


def test_what_is_hidden_from_insured_people_is_in_no_entry_for_them() -> None:
    hidden = Messenger("@intern:messenger.example", hide_from_insured=True)
    messengers = (*FULL.profile.messengers, hidden)
    practice = replace(FULL, profile=replace(FULL.profile, messengers=messengers))
    fragments, listing = Fragments(WORDING), listing_of([practice])
    mark = endpoint_id(practice, hidden).encode()
    assert mark in fragments.entry(listing.shown_to("practices")[FULL.resource_id])
    assert mark not in fragments.entry(listing.shown_to("insured")[FULL.resource_id])


def test_a_fragment_is_made_anew_when_the_practice_has_changed_and_only_then() -> None:
    fragments = Fragments(WORDING, kept_bytes=2000)
    before = fragments.of("Organization", PHARMACY)
    assert fragments.of("Organization", PHARMACY) is before
    renamed = replace(PHARMACY, profile=Profile("Neue Apotheke", messengers=PHARMACY.profile.messengers), version=9)
    assert orjson.loads(fragments.of("Organization", renamed))["name"] == "Neue Apotheke"
    for practice in (FULL, PERSON):
        fragments.of("Location", practice)
    again = fragments.of("Organization", PHARMACY)
    assert (again == before, again is before) == (True, False)
