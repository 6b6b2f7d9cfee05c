"""Opening hours and absences: what the directory writes as FHIR it reads back, and what others write it understands."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.fhir.resources_shared import not_available, special_times, weekly_times
from directory_service.rules.fhir.terminology import OPENING_QUALIFIER, SPECIAL_HOURS
from directory_service.rules.opening_hours import OpeningHours, SpecialDay, SpecialReason, TimeBlock
from directory_service.rules.profile import Profile
from directory_service.rules.reading.element import Element, Reading
from directory_service.rules.reading.times import AbsenceWords, read_times
from tests.directory_service.fhir_samples import WORDING

TODAY = date(2026, 11, 25)
WORDS = AbsenceWords(closed="Geschlossen", absent="Abwesend", substitute="Abwesend, Vertretung: ")


def read(service: dict[str, Any], *, with_week: bool = False) -> tuple[OpeningHours, Absence | None, list[str]]:
    reading = Reading()
    hours, absence = read_times(Element(service, "HealthcareService", reading), WORDS, TODAY, with_week=with_week)
    return hours, absence, [fault.expression for fault in reading.faults]


def written(profile: Profile) -> dict[str, Any]:
    times = weekly_times(profile) + special_times(profile)
    return {"availableTime": times, "notAvailable": not_available(profile, WORDING)}


BLOCKS = st.lists(st.integers(0, 95), min_size=0, max_size=8, unique=True).map(
    lambda marks: tuple(
        TimeBlock(one * 15, other * 15) for one, other in zip(sorted(marks)[::2], sorted(marks)[1::2], strict=False)
    )
)
DAYS = st.integers(0, 300).map(lambda days: TODAY + timedelta(days=days))
SPECIAL = st.lists(
    st.builds(SpecialDay, DAYS, BLOCKS, st.sampled_from(SpecialReason)), max_size=4, unique_by=lambda one: one.day
)
WEEK = st.lists(BLOCKS, min_size=7, max_size=7).filter(any).map(tuple)


@given(WEEK, SPECIAL)
def test_hours_are_read_as_they_were_written(week: Any, special: list[SpecialDay]) -> None:
    # A day without hours has no reason, and one that is open has no note: FHIR has no place for them.
    days = [one if one.blocks else SpecialDay(one.day) for one in special]
    hours = OpeningHours(week, tuple(sorted(days, key=lambda one: one.day)))
    assert read(written(Profile("Praxis", opening_hours=hours)))[::2] == (hours, [])


@given(DAYS, st.integers(0, 60), st.sampled_from(["", "040 123456"]), st.booleans())
def test_an_absence_is_read_as_it_was_written(first: date, days: int, telephone: str, stands_in: bool) -> None:
    who = Substitute("Praxis Winter, Weg 1", telephone) if stands_in else None
    absence = Absence(first, first + timedelta(days=days), who)
    assert read(written(Profile("Praxis", absence=absence)))[1:] == (absence, [])


def test_hours_of_an_emergency_service_past_midnight_are_added_to_the_week() -> None:
    period = {"start": "2026-12-01T18:00:00+01:00", "end": "2026-12-02T08:30:00+01:00"}
    emergency = {
        "url": SPECIAL_HOURS,
        "extension": [
            {"url": "period", "valuePeriod": period},
            {"url": "qualifier", "valueCoding": {"system": OPENING_QUALIFIER, "code": "notdienst"}},
        ],
    }
    each = [
        {"daysOfWeek": [day], "availableStartTime": "08:00:00", "availableEndTime": "18:00:00"}
        for day in ("mon", "tue", "wed", "thu", "fri")
    ]
    hours, _, faults = read({"availableTime": [*each, {"extension": [emergency]}]}, with_week=True)
    reason = SpecialReason.EMERGENCY_SERVICE
    assert hours.special == (
        SpecialDay(date(2026, 12, 1), (TimeBlock(480, 1440),), reason),
        SpecialDay(date(2026, 12, 2), (TimeBlock(0, 1080),), reason),
    )
    assert not faults


def test_of_several_absences_the_next_is_kept_and_those_of_the_past_are_none() -> None:
    away = [
        {"description": "Urlaub", "during": {"start": f"2026-{month}-01", "end": f"2026-{month}-05"}}
        for month in ("12", "10", "11")
    ]
    assert read({"notAvailable": away})[1:] == (Absence(date(2026, 12, 1), date(2026, 12, 5)), [])
    later = {"during": {"start": "2027-01-01", "end": "2027-01-05"}}
    _, absence, faults = read({"notAvailable": [later, *away]})
    assert absence is not None
    assert (absence.first_day, faults) == (date(2026, 12, 1), ["HealthcareService.notAvailable"])


def test_each_fault_is_named_where_it_stands_and_the_rest_is_kept() -> None:
    good = {"daysOfWeek": ["mon", "tue"], "allDay": True}
    bad: list[Any] = [
        {"daysOfWeek": ["someday"]},
        {"daysOfWeek": ["mon"], "availableStartTime": "8 Uhr", "availableEndTime": "12:00:00"},
        {"daysOfWeek": ["mon"], "availableStartTime": "12:00:00", "availableEndTime": "08:00:00"},
        "never",
    ]
    away = [{}, {"during": {"start": "soon", "end": "2026-12-01"}}]
    hours, absence, faults = read({"availableTime": [good, *bad], "notAvailable": away})
    day = (TimeBlock(0, 1440),)
    assert (hours.weekly, absence) == ((day, day, (), (), (), (), ()), None)
    assert sorted(faults) == [
        "HealthcareService.availableTime[1].daysOfWeek",
        "HealthcareService.availableTime[2].availableStartTime",
        "HealthcareService.availableTime[3].availableEndTime",
        "HealthcareService.availableTime[4]",
        "HealthcareService.notAvailable[0].during",
        "HealthcareService.notAvailable[1].during.start",
    ]
