"""Reads the parameters of a search.

What is not understood is refused, or ignored and named if the client asks for lenience (``Prefer: handling=lenient``):
a filter that is silently ignored would show a patient what she excluded. Sources: FHIR R4, 3.1.1; gematik HOWTO_Search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from directory_service.rules.fhir.asked import DEFAULT_COUNT, MAX_COUNT, Asked
from directory_service.rules.fhir.chains import Chains, always
from directory_service.rules.fhir.includes import include
from directory_service.rules.fhir.items import Kind, practice_of
from directory_service.rules.fhir.places import read_near
from directory_service.rules.fhir.terminology import TELEMATIK_ID, profession_oid
from directory_service.rules.fhir.texts import read_text
from directory_service.rules.fhir.values import FaultyParameter, TokenValue, alternatives, plain, unescaped

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
_CITIES = frozenset({"location.address-city", "location:Location.address-city"})
_POSTCODES = frozenset({"location.address-postalcode", "location:Location.address-postalcode"})
_PROFESSIONS: dict[Kind, str] = {
    "HealthcareService": "organization.type",
    "PractitionerRole": "practitioner.qualification",
}
_SPECIALTIES = frozenset({"specialty", "service-type"})

Parameters = Sequence[tuple[str, str]]


class QueryReader:
    """Reads searches of every kind of resource."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def read(self, kind: Kind, parameters: Iterable[tuple[str, str]], *, lenient: bool = False) -> Asked:
        """Understands a search.

        Args:
            kind: what is searched.
            parameters: names and values in their order.
            lenient: whether parameters that do not exist are left out instead of refused; faulty values never are.

        Raises:
            FaultyParameter: for the first parameter that is not understood.
        """
        given = list(parameters)
        if len(given) > MAX_PARAMETERS:
            raise FaultyParameter(given[MAX_PARAMETERS][0], "too-many")
        operators = read_switch(given, "_complexSearch")
        asked = Asked(kind)
        understood: list[tuple[str, str]] = []
        ignored: list[str] = []
        seen: set[str] = set()
        for name, value in given:
            if name in _ONCE and name in seen:
                raise FaultyParameter(name, "repeated")
            seen.add(name)
            try:
                asked = self._with(asked, name, value, operators=operators)
            except FaultyParameter as fault:
                if not lenient or fault.reason not in {"unknown", "modifier"}:
                    raise
                ignored.append(fault.parameter)
                continue
            if name != AFTER:
                understood.append((name, value))
        if any(name.partition(":")[0] in _INCLUDES for name, _ in understood):
            asked = asked._replace(includes=_closed(asked, understood))
        return asked._replace(understood=tuple(understood), ignored=tuple(ignored))

    def _with(self, asked: Asked, name: str, value: str, *, operators: bool) -> Asked:
        kind = asked.kind
        if not (name + value).isprintable():
            raise FaultyParameter(name, "unprintable")
        if name in _RESULT:
            return _RESULT[name](asked, name, value)
        if name.partition(":")[0] in _INCLUDES:
            return asked._replace(includes=include(kind, asked.includes, name, value))
        if name in _TEXTS and kind in _PROFESSIONS and (oid := profession_oid(value)) is not None:
            return self._with_test(asked, _PROFESSIONS[kind], oid)
        if name in _TEXTS:
            return asked._replace(texts=(*asked.texts, read_text(name, value, operators=operators)))
        if name in _NEAR.get(kind, ()):
            return _with_near(asked, name, value)
        return self._with_test(asked, name, value)

    def _with_test(self, asked: Asked, name: str, value: str) -> Asked:
        test = self._chains.test(asked.kind, name, value)
        if name in _SPECIALTIES and "" not in (codes := specialty_codes(name, value, self._chains.specialty_systems)):
            return asked._replace(specialties=(*asked.specialties, codes))
        if name in _CITIES:
            return asked._replace(cities=(*asked.cities, _beginnings(name, value)))
        if name in _POSTCODES:
            return asked._replace(postcodes=(*asked.postcodes, _beginnings(name, value)))
        return _narrowed(asked if test is always else asked._replace(tests=(*asked.tests, test)), name, value)


def _narrowed(asked: Asked, name: str, value: str) -> Asked:
    """Knows the only practices that can fit, if the parameter names them."""
    if name in _IDENTIFIERS:
        return asked._replace(telematik_ids=_both(asked.telematik_ids, _telematik_ids(name, value)))
    if name == "_id":
        ids = frozenset(practice_of(TokenValue.read(part).code) for part in alternatives(name, value))
        return asked._replace(practices=_both(asked.practices, ids))
    return asked


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


def _beginnings(name: str, value: str) -> tuple[str, ...]:
    return tuple(plain(unescaped(part)) for part in alternatives(name, value))


def _with_near(asked: Asked, name: str, value: str) -> Asked:
    if asked.near is not None:
        raise FaultyParameter(name, "repeated")
    return asked._replace(near=read_near(name, value))


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
    values = [value for given, value in parameters if given == name]
    if not set(values) <= {"true", "false"}:
        raise FaultyParameter(name, "true-or-false")
    return "true" in values


def _read_count(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise FaultyParameter(name, "count")
    return min(int(value), MAX_COUNT)


def with_count(asked: Asked, name: str, value: str) -> Asked:
    """A search whose pages have a number of matches; with 0 only their number is wanted.

    Raises:
        FaultyParameter: ``count``.
    """
    count = _read_count(name, value)
    return asked._replace(page_size=count or DEFAULT_COUNT, count_only=asked.count_only or count == 0)


def _with_summary(asked: Asked, name: str, value: str) -> Asked:
    if value not in {"count", "false"}:
        raise FaultyParameter(name, "summary")
    return asked._replace(count_only=asked.count_only or value == "count")


def _with_total(asked: Asked, name: str, value: str) -> Asked:
    if value not in {"none", "estimate", "accurate"}:
        raise FaultyParameter(name, "total")
    return asked  # the total is always told, and exact


def with_format(asked: Asked, name: str, value: str) -> Asked:
    """A search whose answer has a format; there is JSON alone.

    Raises:
        FaultyParameter: ``format``.
    """
    if value.partition(";")[0].replace(" ", "+") not in _FORMATS:
        raise FaultyParameter(name, "format")
    return asked


def _with_operators(asked: Asked, _name: str, _value: str) -> Asked:
    return asked  # read before the texts, by read_switch


def _with_position(asked: Asked, _name: str, value: str) -> Asked:
    return asked._replace(after=value)


_RESULT: dict[str, Callable[[Asked, str, str], Asked]] = {
    "_count": with_count,
    "_summary": _with_summary,
    "_total": _with_total,
    "_format": with_format,
    "_complexSearch": _with_operators,
    AFTER: _with_position,
}
