"""What several kinds of resource have in common: meta, identifier, languages, times of opening."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from directory_service.rules.fhir.terminology import (
    GEMATIK,
    LANGUAGES,
    OPENING_QUALIFIER,
    ORIGIN,
    ORIGIN_LDAP,
    ORIGIN_OWNER,
    OWNER,
    SPECIAL_HOURS,
    TELEMATIK_ID,
)
from directory_service.rules.opening_hours import BERLIN, END_OF_DAY, WEEKDAYS, SpecialDay, TimeBlock
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Profile
from directory_service.rules.specialties import SpecialtyTable

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wording:
    """What people read in resources, in the directory's language.

    Attributes:
        specialties: the names of specialties.
        closed: why a special day without hours is not available.
        absent: why an absent practice is not available.
        substitute: the same with a substitute; has ``{who}``.
    """

    specialties: SpecialtyTable
    closed: str
    absent: str
    substitute: str


def meta(practice: Practice, profile: str) -> Resource:
    """Origin, profile and version."""
    return {
        "versionId": str(practice.version),
        "tag": [{"system": ORIGIN, "code": origin(practice)}],
        "profile": [f"{GEMATIK}/StructureDefinition/{profile}"],
    }


def origin(practice: Practice) -> str:
    """Who provided it: the practice itself, or the national directory until it joins."""
    return ORIGIN_LDAP if practice.user_id is None else ORIGIN_OWNER


def telematik_identifier(practice: Practice) -> Resource:
    """The practice's Telematik-ID."""
    return {"system": TELEMATIK_ID, "value": practice.telematik_id}


def owner(practice: Practice) -> Resource:
    """The extension that says who wrote the resource."""
    return {"url": OWNER, "valueIdentifier": telematik_identifier(practice)}


def coded(system: str, code: str, display: str | None = None) -> Resource:
    """A CodeableConcept of one code."""
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


def specialties(profile: Profile, wording: Wording) -> list[Resource]:
    """What the practice does."""
    known = wording.specialties
    return [coded(known.system(code), code, known.display(code)) for code in profile.specialties]


def languages(profile: Profile) -> list[Resource]:
    """The languages in which it can be spoken to."""
    return [coded(LANGUAGES, tag) for tag in profile.languages]


def _time(minute: int) -> str:
    """A time of day; FHIR has no 24:00."""
    return "23:59:59" if minute == END_OF_DAY else f"{minute // 60:02}:{minute % 60:02}:00"


def weekly_times(profile: Profile) -> list[Resource]:
    """The hours of the week, one day a block (gematik allows no more)."""
    week = profile.opening_hours.weekly or ()
    return [
        {
            "daysOfWeek": [day],
            "availableStartTime": _time(block.opens),
            "availableEndTime": _time(block.closes),
        }
        for day, blocks in zip(WEEKDAYS, week, strict=bool(week))
        for block in blocks
    ]


def _moment(special: SpecialDay, minute: int) -> str:
    day = datetime.combine(special.day, datetime.min.time(), BERLIN)
    wall_clock = day + timedelta(minutes=minute)  # arithmetic within a zone keeps the clock on the wall
    return wall_clock.isoformat(timespec="seconds")


def special_times(profile: Profile) -> list[Resource]:
    """The hours of special days."""

    def extension(special: SpecialDay, block: TimeBlock) -> Resource:
        period = {"start": _moment(special, block.opens), "end": _moment(special, block.closes)}
        return {
            "url": SPECIAL_HOURS,
            "extension": [
                {"url": "period", "valuePeriod": period},
                {"url": "qualifier", "valueCoding": {"system": OPENING_QUALIFIER, "code": special.reason.value}},
            ],
        }

    return [
        {"extension": [extension(special, block)]}
        for special in profile.opening_hours.special
        for block in special.blocks
    ]


def not_available(profile: Profile, wording: Wording) -> list[Resource]:
    """When it is closed although the week says otherwise: special days without hours, and its absence."""
    return list(_not_available(profile, wording))


def _not_available(profile: Profile, wording: Wording) -> Iterator[Resource]:
    for special in profile.opening_hours.special:
        if not special.blocks:
            day = special.day.isoformat()
            yield {"description": special.note or wording.closed, "during": {"start": day, "end": day}}
    absence = profile.absence
    if absence is not None:
        during = {"start": absence.first_day.isoformat(), "end": absence.last_day.isoformat()}
        substitute = absence.substitute
        if substitute is None:
            yield {"description": wording.absent, "during": during}
        else:
            who = ", ".join(filter(None, (substitute.text, substitute.telephone)))
            yield {"description": wording.substitute.format(who=who), "during": during}


def without_empty(resource: Resource) -> Resource:
    """The resource without empty lists, which FHIR does not know."""
    return {name: value for name, value in resource.items() if value != []}
