"""gematik's named queries ``near`` and ``nearPharmacy``: what is around a point, nearest first.

Source: gematik HOWTO_Search. ``isOpenInMinutes`` finds practices that said they are open then; who said no hours is not
found by it, since nobody knows; how many these are is told in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from directory_service.rules.fhir.items import Item, Kind
from directory_service.rules.fhir.terminology import PHARMACY, profession_oid
from directory_service.rules.fhir.values import FaultyParameter, TokenValue, alternatives, shown
from directory_service.rules.folding import words
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.chains import Chains, Test
from directory_service.search.fhir.places import circle, distance_m
from directory_service.search.fhir.query import (
    AFTER,
    MAX_PARAMETERS,
    specialty_codes,
    with_count,
    with_format,
)
from directory_service.search.fhir.texts import read_text
from directory_service.search.fhir.work import check_work
from directory_service.search.fields import FEATURES, PROFESSION, Condition

QUERIES = ("near", "nearPharmacy")
_MANDATORY = ("latitude", "longitude", "distance")
_OPTIONAL = ("text", "location", "isOpenInMinutes", "organization.type", "_count", "_format", AFTER)
_REPEATED = ("specialty", "characteristics")
PARAMETERS = ("_query", *_MANDATORY, *_OPTIONAL, *_REPEATED)
"""What a named query understands; nothing else."""
_INCLUDED: frozenset[Kind] = frozenset({"Organization", "Location"})
_MINUTES = re.compile(r"[0-9]{1,5}")
_MAX_MINUTES = 7 * 24 * 60


def is_named(parameters: Iterable[tuple[str, str]]) -> bool:
    """Whether a search is a named query."""
    return "_query" in dict(parameters)


class NamedQueryReader:
    """Reads named queries of HealthcareServices."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def read(self, kind: Kind, parameters: Iterable[tuple[str, str]], now: datetime, *, lenient: bool = False) -> Asked:
        """Understands a named query.

        Args:
            kind: what is searched.
            parameters: names and values in their order.
            now: the present moment, with a zone.
            lenient: whether parameters that do not exist are left out instead of refused.

        Raises:
            FaultyParameter: for the first parameter that is missing, unknown or faulty.
        """
        given = list(parameters)
        if len(given) > MAX_PARAMETERS:
            raise FaultyParameter(given[MAX_PARAMETERS][0], "too-many")
        check_work(given)
        ignored = tuple(name for name, _ in given if name not in PARAMETERS)
        if ignored and not lenient:
            raise FaultyParameter(ignored[0], "not-in-query")
        known = [(name, value) for name, value in given if name in PARAMETERS]
        single: dict[str, str] = {}
        for name, value in known:
            if not value.isprintable():
                raise FaultyParameter(name, "unprintable")
            if name in single and name not in _REPEATED:
                raise FaultyParameter(name, "repeated")
            single[name] = value
        if single["_query"] not in QUERIES or kind != "HealthcareService":
            raise FaultyParameter("_query", "query")
        for name in _MANDATORY:
            if name not in single:
                raise FaultyParameter(name, "mandatory")
        circled = circle(
            "latitude, longitude",
            single["latitude"],
            single["longitude"],
            distance_m("distance", single["distance"], "km"),
        )
        words_of_text = "text" in single and profession_oid(single["text"]) is None
        specialties = [
            specialty_codes(name, value, self._chains.specialty_systems) for name, value in known if name == "specialty"
        ]
        asked = Asked(
            kind,
            texts=(read_text("text", single["text"], operators=False),) if words_of_text else (),
            near=circled,
            nearest_first=True,
            specialties=tuple(codes for codes in specialties if "" not in codes),
            conditions=tuple(_conditions(known, single)),
            tests=tuple(self._tests(known, single)),
            open_at=_moment(single["isOpenInMinutes"], now) if "isOpenInMinutes" in single else None,
            includes=_INCLUDED,
            after=single.get(AFTER),
            understood=tuple((name, value) for name, value in known if name != AFTER),
            ignored=tuple(map(shown, ignored)),
        )
        for name, read in (("_count", with_count), ("_format", with_format)):
            if name in single:
                read(asked, name, single[name])
        if asked.count_only:  # gematik: a count outside 1 to 100 is taken for the nearer of them
            asked.page_size, asked.count_only = 1, False
        return asked

    def _tests(self, known: list[tuple[str, str]], single: dict[str, str]) -> Iterable[Test]:
        for name, value in known:
            if name == "specialty" and "" in specialty_codes(name, value, self._chains.specialty_systems):
                # Any code of a system.
                yield self._chains.test("HealthcareService", name, value)
        if "location" in single:
            yield _lies_at(single["location"])


def _conditions(known: list[tuple[str, str]], single: dict[str, str]) -> Iterable[Condition]:
    for name, value in known:
        if name == "characteristics":
            yield FEATURES.condition(map(TokenValue.read, alternatives("characteristic", value)))
    if "organization.type" in single:
        if single["_query"] != "near":
            raise FaultyParameter("organization.type", "not-in-query")
        wanted = alternatives("organization.type", single["organization.type"])
        yield PROFESSION.condition(map(TokenValue.read, wanted))
    if single["_query"] == "nearPharmacy":
        yield PROFESSION.has_any([PHARMACY])
    if (oid := profession_oid(single.get("text", ""))) is not None:
        yield PROFESSION.has_any([oid])


def _lies_at(value: str) -> Test:
    """Whether words begin those of the address: what the practice is called is no place."""
    wanted = [text.words for text in read_text("location", value, operators=False)]

    def lies_there(item: Item) -> bool:
        address = item.practice.profile.address
        known = words(f"{address.line} {address.postcode} {address.city}") if address else ()
        return any(all(any(one.startswith(word) for one in known) for word in asked) for asked in wanted)

    return lies_there


def _moment(value: str, now: datetime) -> datetime:
    if not _MINUTES.fullmatch(value) or int(value) > _MAX_MINUTES:
        raise FaultyParameter("isOpenInMinutes", "minutes")
    return now + timedelta(minutes=int(value))
