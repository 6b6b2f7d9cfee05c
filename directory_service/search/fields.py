"""The fields by whose codes practices are searched, each declared once.

What the index has keys for, which FHIR parameters are answered by it, what ``/metadata`` says of them, how a resource
is tested, and what the page asks for: all are loops over these declarations. A field that is added here is found by
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from directory_service.rules.fhir.items import Kind
from directory_service.rules.fhir.terminology import LANGUAGES, PHYSICAL_FEATURES, profession, profession_of_code
from directory_service.rules.fhir.values import Coded, TokenValue
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Feature, Grade

_BETWEEN = "\n"
"""Stands in no search value, so that a code with a bar in it is not taken for a code of a system."""


class Condition(NamedTuple):
    """That a practice has one of some codes.

    Attributes:
        field: the name of the field.
        keys: any of them must be among the practice's (``SearchField.keys``).
    """

    field: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class SearchField:
    """One field.

    Attributes:
        name: unique.
        codes: those of a practice; few different ones, since each has a set of practices in the index.
        coded: a code with its system and its display.
        parameters: the FHIR parameter that means it, by kind of resource.
        documentation: what ``/metadata`` says of that parameter.
    """

    name: str
    codes: Callable[[Practice], tuple[str, ...]]
    coded: Callable[[str], Coded]
    parameters: Mapping[Kind, str] = field(default_factory=dict)
    documentation: str = ""

    def keys(self, codes: Iterable[str]) -> set[str]:
        """By what codes are found: by themselves, with their system, and by their system alone."""
        found: set[str] = set()
        for coded in map(self.coded, codes):
            code = coded.code.casefold()
            found |= {code, f"{coded.system}{_BETWEEN}{code}", f"{coded.system}{_BETWEEN}"}
        return found

    def condition(self, wanted: Iterable[TokenValue]) -> Condition:
        """That one of some tokens fits; codes are compared without regard to case."""
        return Condition(
            self.name,
            frozenset(
                token.code.casefold() if token.system is None else f"{token.system}{_BETWEEN}{token.code.casefold()}"
                for token in wanted
            ),
        )

    def has_any(self, codes: Iterable[str]) -> Condition:
        """That a practice has one of some codes, of whatever system."""
        return self.condition(TokenValue(None, code) for code in codes)

    def of(self, practice: Practice) -> tuple[Coded, ...]:
        """A practice's codes with their systems and displays."""
        return tuple(map(self.coded, self.codes(practice)))


def _spoken(practice: Practice) -> tuple[str, ...]:
    return practice.profile.spoken


def _features(practice: Practice) -> tuple[str, ...]:
    return tuple(item.feature.value for item in practice.profile.accessibility if item.grade is not Grade.NONE)


def _graded_features(practice: Practice) -> tuple[str, ...]:
    return tuple(graded(item.feature, item.grade) for item in practice.profile.accessibility)


def graded(feature: Feature, grade: Grade) -> str:
    """A code of ``GRADED_FEATURES``."""
    return f"{feature.value}:{grade.value}"


def _profession(practice: Practice) -> tuple[str, ...]:
    known = profession(practice.telematik_id, practice.profile.specialties)
    return (known.code,) if known else ()


@lru_cache(256)
def _coded_profession(code: str) -> Coded:
    known = profession_of_code(code)
    return Coded(known.system, known.code, known.display)


SPOKEN_LANGUAGES = SearchField(
    "spoken languages",
    _spoken,
    lru_cache(1024)(lambda tag: Coded(LANGUAGES, tag)),
    {"HealthcareService": "communication", "Practitioner": "communication"},
    "language as a BCP 47 tag; sr finds sr-Latn too",
)
FEATURES = SearchField(
    "features",
    _features,
    lru_cache(256)(lambda code: Coded(PHYSICAL_FEATURES, code)),
    {"HealthcareService": "characteristic"},
    "a physical feature that is there, fully or partly",
)
GRADED_FEATURES = SearchField("graded features", _graded_features, lru_cache(256)(lambda code: Coded("", code)))
PROFESSION = SearchField("profession", _profession, _coded_profession, {"Organization": "type"}, "profession OID")
SEARCH_FIELDS: tuple[SearchField, ...] = (SPOKEN_LANGUAGES, FEATURES, GRADED_FEATURES, PROFESSION)
