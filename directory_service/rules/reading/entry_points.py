"""What a HealthcareService or a PractitionerRole says of a practice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from directory_service.rules.absence import Absence
from directory_service.rules.fhir.terminology import (
    FEATURE_GRADE,
    FEATURE_MISSING,
    FEATURE_NOTE,
    LANGUAGES,
    PHYSICAL_FEATURES,
)
from directory_service.rules.opening_hours import OpeningHours
from directory_service.rules.profile import Accessibility, Feature, Grade
from directory_service.rules.profile_types import (
    LANGUAGE_PATTERN,
    LONGEST_NOTE,
    MOST_LANGUAGES,
    MOST_SPECIALTIES,
)
from directory_service.rules.reading.element import Element
from directory_service.rules.reading.times import AbsenceWords, read_times
from directory_service.rules.specialties import SpecialtyTable

_LANGUAGE = re.compile(LANGUAGE_PATTERN)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What was said, in the directory's own words.

    Attributes:
        name: None if none is said.
    """

    name: str | None
    specialties: tuple[str, ...]
    languages: tuple[str, ...]
    accessibility: tuple[Accessibility, ...]
    opening_hours: OpeningHours
    absence: Absence | None


def read_entry_point(
    service: Element, specialties: SpecialtyTable, words: AbsenceWords, today: date, *, with_week: bool
) -> EntryPoint:
    """Reads an entry point without its references; arguments as of ``read_times``."""
    hours, absence = read_times(service, words, today, with_week=with_week)
    return EntryPoint(
        name=service.line("name"),
        specialties=_specialties(service, specialties),
        languages=read_languages(service),
        accessibility=_accessibility(service),
        opening_hours=hours,
        absence=absence,
    )


def read_languages(service: Element) -> tuple[str, ...]:
    """``communication``: BCP 47 tags, each once."""
    found: dict[str, None] = {}
    for code, coding in service.codes("communication", LANGUAGES):
        if _LANGUAGE.fullmatch(code):
            found[code] = None
        else:
            coding.fault("a language tag is needed, such as de or uk", "code")
    return _first(service, "communication", tuple(found), MOST_LANGUAGES)


def _specialties(service: Element, table: SpecialtyTable) -> tuple[str, ...]:
    """``type`` and ``specialty``: the national directory uses both for what a practice does."""
    found: dict[str, None] = {}
    systems = table.systems()
    for name in ("type", "specialty"):
        for code, coding in service.codes(name, *sorted(set(systems.values()))):
            if systems.get(code) != coding.text("system"):
                coding.fault(f"unknown code; allowed are {', '.join(table.codes())}", "code")
            else:
                found[code] = None
    return _first(service, "type", tuple(found), MOST_SPECIALTIES)


def _accessibility(service: Element) -> tuple[Accessibility, ...]:
    found: dict[Feature, Accessibility] = {}
    for code, coding in service.codes("characteristic", PHYSICAL_FEATURES):
        if code not in set(Feature):
            coding.fault(f"unknown code; allowed are {', '.join(Feature)}", "code")
    for concept in service.children("characteristic"):
        for coding in concept.children("coding"):
            code = coding.text("code") or ""
            if coding.text("system") == PHYSICAL_FEATURES and code in set(Feature):
                found[Feature(code)] = Accessibility(Feature(code), _grade(concept), _note(concept))
    for missing in service.extensions(FEATURE_MISSING):
        absent = missing.text("valueCode")
        if absent in set(Feature):
            found.setdefault(Feature(absent), Accessibility(Feature(absent), Grade.NONE))
        else:
            missing.fault(f"allowed are {', '.join(Feature)}", "valueCode")
    return tuple(found.values())


def _grade(concept: Element) -> Grade:
    concept.only_extensions(FEATURE_GRADE, FEATURE_NOTE)
    for extension in concept.extensions(FEATURE_GRADE):
        code = extension.text("valueCode")
        if code in {Grade.FULL, Grade.PARTLY}:
            return Grade(code)
        extension.fault(f"allowed are {Grade.FULL} and {Grade.PARTLY}", "valueCode")
    return Grade.FULL


def _note(concept: Element) -> str:
    for extension in concept.extensions(FEATURE_NOTE):
        return extension.line("valueString", LONGEST_NOTE) or ""
    return ""


def _first(service: Element, name: str, values: tuple[str, ...], most: int) -> tuple[str, ...]:
    if len(values) > most:
        service.fault(f"at most {most} are kept, the first ones", name)
    return values[:most]
