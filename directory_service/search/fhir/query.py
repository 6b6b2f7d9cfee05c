"""Reads the parameters of a search.

What is not understood is refused, or ignored and named if the client asks for lenience (``Prefer: handling=lenient``):
a filter that is silently ignored would show a patient what she excluded. Sources: FHIR R4, 3.1.1; gematik HOWTO_Search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from directory_service.rules.fhir.items import KINDS, LINKS, Kind, practice_of
from directory_service.rules.fhir.terminology import TELEMATIK_ID, profession_oid
from directory_service.rules.fhir.values import FaultyParameter, TokenValue, alternatives, plain, unescaped
from directory_service.search.fhir.asked import DEFAULT_COUNT, MAX_COUNT, Asked
from directory_service.search.fhir.chains import Chains, always
from directory_service.search.fhir.includes import include
from directory_service.search.fhir.places import read_near
from directory_service.search.fhir.texts import read_text
from directory_service.search.fhir.work import check_work
from directory_service.search.fields import SearchField

AFTER = "_after"
"""The directory's own paging parameter; it stands in ``next`` links alone."""
MAX_PARAMETERS = 64
_ONCE = frozenset({"_count", "_summary", "_total", "_format", "_complexSearch", AFTER, "_query"})
_TEXTS = frozenset({"_text", "_content"})
_INCLUDES = frozenset({"_include", "_revinclude"})
_FORMATS = frozenset({"json", "application/json", "application/fhir+json", "application/json+fhir"})
_NEAR: dict[Kind, frozenset[str]] = {
    "HealthcareService": frozenset({"location.near", "location:Location.near"}),
    "PractitionerRole": frozenset({"location.near", "location:Location.near"}),
    "Location": frozenset({"near"}),
}
_IDENTIFIERS = frozenset(
    {"identifier", "organization.identifier", "practitioner.identifier", "owner-telematik-id"}
    | {"organization:identifier", "practitioner:identifier"}
)
_PROFESSIONS: dict[Kind, str] = {
    "HealthcareService": "organization.type",
    "PractitionerRole": "practitioner.qualification",
}
_SPECIALTIES: dict[Kind, frozenset[str]] = {
    "HealthcareService": frozenset({"specialty", "service-type"}),
    "PractitionerRole": frozenset({"specialty"}),
}
_KEPT = 1000
"""What values of specialties mean: they are few, and the same in most searches."""
_COUNT = re.compile(r"[0-9]{1,9}")

Parameters = Sequence[tuple[str, str]]
_Read = Callable[[Asked, str, str], None]
"""Takes one parameter, by name and value, into a search; a faulty one leaves the search as it was."""


class QueryReader:
    """Reads searches of every kind of resource."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self._specialty_codes = lru_cache(_KEPT)(partial(specialty_codes, systems=chains.specialty_systems))
        self._readers: dict[Kind, dict[str, _Read]] = {
            kind: {
                **_RESULT,
                **dict.fromkeys(_TEXTS, self._with_text),
                **dict.fromkeys(_NEAR.get(kind, ()), _with_near),
                **dict.fromkeys(_SPECIALTIES.get(kind, ()), self._with_specialties),
                **(_PLACES if "location" in LINKS[kind] else {}),
                **{name: partial(_with_field, field) for name, field in chains.fields[kind].items()},
            }
            for kind in KINDS
        }
        """What the index answers by itself; every other parameter is a test of resources."""

    def read(self, kind: Kind, parameters: Parameters, *, lenient: bool = False) -> Asked:
        """Understands a search.

        Args:
            kind: what is searched.
            parameters: names and values in their order.
            lenient: whether parameters that do not exist are left out instead of refused; faulty values never are.

        Raises:
            FaultyParameter: for the first parameter that is not understood.
        """
        if len(parameters) > MAX_PARAMETERS:
            raise FaultyParameter(parameters[MAX_PARAMETERS][0], "too-many")
        check_work(parameters)
        asked = Asked(kind, read_switch(parameters, "_complexSearch"))
        readers = self._readers[kind]
        understood: list[tuple[str, str]] = []
        ignored: list[str] = []
        seen: set[str] = set()
        for name, value in parameters:
            if name in seen and name in _ONCE:
                raise FaultyParameter(name, "repeated")
            seen.add(name)
            if not (name.isprintable() and value.isprintable()):
                raise FaultyParameter(name, "unprintable")
            try:
                readers.get(name, self._with_other)(asked, name, value)
            except FaultyParameter as fault:
                if not lenient or fault.reason not in {"unknown", "modifier"}:
                    raise
                ignored.append(fault.parameter)
                continue
            if name != AFTER:
                understood.append((name, value))
        if asked.includes:
            asked.includes = _closed(asked, understood)
        asked.understood, asked.ignored = tuple(understood), tuple(ignored)
        return asked

    def _with_other(self, asked: Asked, name: str, value: str) -> None:
        if name.partition(":")[0] in _INCLUDES:
            asked.includes = include(asked.kind, asked.includes, name, value)
        else:
            self._with_test(asked, name, value)

    def _with_test(self, asked: Asked, name: str, value: str) -> None:
        test = self._chains.test(asked.kind, name, value)
        if test is not always:
            asked.tests = (*asked.tests, test)
        if name in _IDENTIFIERS:
            asked.telematik_ids = _both(asked.telematik_ids, _telematik_ids(name, value))
        elif name == "_id":
            ids = frozenset(practice_of(TokenValue.read(part).code) for part in alternatives(name, value))
            asked.practices = _both(asked.practices, ids)

    def _with_text(self, asked: Asked, name: str, value: str) -> None:
        if asked.kind in _PROFESSIONS and (oid := profession_oid(value)) is not None:
            name = _PROFESSIONS[asked.kind]
            self._readers[asked.kind].get(name, self._with_test)(asked, name, oid)
        else:
            asked.texts = (*asked.texts, read_text(name, value, operators=asked.operators))

    def _with_specialties(self, asked: Asked, name: str, value: str) -> None:
        codes = self._specialty_codes(name, value)
        if "" in codes:  # any code of a system
            self._with_test(asked, name, value)
        else:
            asked.specialties = (*asked.specialties, codes)


def _closed(asked: Asked, understood: Parameters) -> frozenset[Kind]:
    """The kinds sent along when ``:iterate`` has nothing more to add."""
    reached = asked.includes
    while True:
        before = reached
        for name, value in understood:
            if name.partition(":")[0] in _INCLUDES:
                reached = include(asked.kind, reached, name, value)
        if reached == before:
            return reached


def _with_field(field: SearchField, asked: Asked, name: str, value: str) -> None:
    wanted = [TokenValue.read(part) for part in alternatives(name, value)]
    asked.conditions = (*asked.conditions, field.condition(wanted))


def _with_near(asked: Asked, name: str, value: str) -> None:
    if asked.near is not None:
        raise FaultyParameter(name, "repeated")
    asked.near = read_near(name, value)


def _with_cities(asked: Asked, name: str, value: str) -> None:
    asked.cities = (*asked.cities, _beginnings(name, value))


def _with_postcodes(asked: Asked, name: str, value: str) -> None:
    asked.postcodes = (*asked.postcodes, _beginnings(name, value))


def _beginnings(name: str, value: str) -> tuple[str, ...]:
    folded = tuple(plain(unescaped(part)) for part in alternatives(name, value))
    if not all(folded):
        raise FaultyParameter(name, "no-word")
    return folded


def _both(known: frozenset[str] | None, more: frozenset[str]) -> frozenset[str]:
    return more if known is None else known & more


def _telematik_ids(name: str, value: str) -> frozenset[str]:
    tokens = [TokenValue.read(part) for part in alternatives(name, value)]
    return frozenset(token.code for token in tokens if token.system in {None, TELEMATIK_ID})


def specialty_codes(name: str, value: str, systems: Mapping[str, str]) -> frozenset[str]:
    """The codes of specialties that tokens name; one with another system than its own can fit nothing.

    Args:
        name: for faults.
        value: as it was sent.
        systems: the code system of each code.

    Raises:
        FaultyParameter: ``empty``, ``too-long`` or ``too-many``.
    """
    tokens = [TokenValue.read(part) for part in alternatives(name, value)]
    codes = ((token.code.upper(), token.system) for token in tokens)
    return frozenset(code for code, system in codes if not code or system in {None, systems.get(code)})


def read_switch(parameters: Parameters, name: str) -> bool:
    """Whether a parameter that is true or false is there and true.

    Raises:
        FaultyParameter: ``true-or-false``.
    """
    switched = False
    for given, value in parameters:
        if given == name:
            if value not in {"true", "false"}:
                raise FaultyParameter(name, "true-or-false")
            switched |= value == "true"
    return switched


def _read_count(name: str, value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise FaultyParameter(name, "count")
    return min(int(value), MAX_COUNT)


def with_count(asked: Asked, name: str, value: str) -> None:
    """Gives pages a number of matches; with 0 only the number of all matches is wanted.

    Raises:
        FaultyParameter: ``count``.
    """
    count = _read_count(name, value)
    asked.page_size = count or DEFAULT_COUNT
    asked.count_only |= count == 0


def _with_summary(asked: Asked, name: str, value: str) -> None:
    if value not in {"count", "false"}:
        raise FaultyParameter(name, "summary")
    asked.count_only |= value == "count"


def _with_total(_asked: Asked, name: str, value: str) -> None:
    """The total is always told, and exact."""
    if value not in {"none", "estimate", "accurate"}:
        raise FaultyParameter(name, "total")


def with_format(_asked: Asked, name: str, value: str) -> None:
    """Looks at the format of the answer; there is JSON alone.

    Raises:
        FaultyParameter: ``format``.
    """
    if value.partition(";")[0].replace(" ", "+") not in _FORMATS:
        raise FaultyParameter(name, "format")


def _with_operators(_asked: Asked, _name: str, _value: str) -> None:
    """They are read before the texts, by ``read_switch``."""


def _with_position(asked: Asked, _name: str, value: str) -> None:
    asked.after = value


_PLACES: dict[str, _Read] = {
    "location.address-city": _with_cities,
    "location:Location.address-city": _with_cities,
    "location.address-postalcode": _with_postcodes,
    "location:Location.address-postalcode": _with_postcodes,
}
_RESULT: dict[str, _Read] = {
    "_count": with_count,
    "_summary": _with_summary,
    "_total": _with_total,
    "_format": with_format,
    "_complexSearch": _with_operators,
    AFTER: _with_position,
}
