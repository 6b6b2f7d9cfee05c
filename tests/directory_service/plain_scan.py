"""Finds practices by looking at each: exact words and beginnings alone, the same questions and answers as an index."""

from __future__ import annotations

import math

from directory_service.rules.fhir.listing import Listing
from directory_service.rules.fhir.terminology import is_person, profession
from directory_service.rules.folding import words
from directory_service.rules.opening_hours import OpenState
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Position
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.fields import SEARCH_FIELDS, SearchField
from directory_service.search.index.query import Reason, SearchHit, SearchPage, SearchPosition, SearchQuery

_EARTH_M = 6_371_008.8
_LEVELS = tuple(Reason)


class Scan:
    """``finding.Index`` without an index."""

    def __init__(self, listing: Listing, specialties: SpecialtyTable) -> None:
        self._listing = listing
        self._specialties = specialties

    def search(self, query: SearchQuery, *, count: int, after: SearchPosition | None = None) -> SearchPage:
        """One page of the practices that fit, in their order."""
        fitting = [
            (SearchPosition(_level(hit), hit.distance_m or 0, _name(practice), hit.resource_id), hit)
            for practice in self._listing
            if (hit := _hit(practice, query, self._specialties)) is not None
        ]
        found = [match for match in fitting if query.open_at is None or match[1].open_state in query.open_states]
        unknown = sum(hit.open_state is OpenState.UNKNOWN for _, hit in fitting) if len(found) < len(fitting) else 0
        found.sort(key=lambda match: _order(match[0]))
        rest = [match for match in found if after is None or _order(match[0]) > _order(after)]
        return SearchPage(
            total=len(found),
            hits=tuple(hit for _, hit in rest[:count]),
            next_position=rest[count - 1][0] if len(rest) > count else None,
            unknown_hours=unknown,
        )


def _order(position: SearchPosition) -> tuple[int, int, str, str]:
    return position.level, position.distance_m, position.name, position.resource_id


def _level(hit: SearchHit) -> int:
    return _LEVELS.index(hit.reason) if hit.reason else 0


def _name(practice: Practice) -> str:
    return " ".join(words(practice.profile.name))


def _hit(practice: Practice, query: SearchQuery, specialties: SpecialtyTable) -> SearchHit | None:
    profile, address = practice.profile, practice.profile.address
    city, postcode = (" ".join(words(address.city)), address.postcode) if address else ("", "")
    fits = (
        (query.only is None or practice.resource_id in query.only)
        and not (query.for_insured and profile.hide_from_insured)
        and query.person in {None, is_person(practice.telematik_id)}
        and all(group & set(profile.specialties) for group in query.specialties)
        and all(
            _has_key(field, practice, condition.keys)
            for condition in query.conditions
            for field in SEARCH_FIELDS
            if field.name == condition.field
        )
        and all(city.startswith(group) for group in query.cities)
        and all(postcode.startswith(group) for group in query.postcodes)
    )
    state = profile.open_state(query.open_at) if query.open_at is not None else None
    distance = None
    if query.origin is not None and address is not None and address.position is not None:
        distance = round(distance_m(address.position, query.origin))
    if not fits or (query.within_m is not None and (distance is None or distance > query.within_m)):
        return None
    texts = [profile.name, city, postcode, *map(specialties.display, profile.specialties)]
    known = words(" ".join(texts))
    owner = profession(practice.telematik_id, profile.specialties)
    called = [*specialties.words_of(profile.specialties), *(owner.words if owner else ())]

    def levels(words: tuple[str, ...]) -> list[int]:
        reasons = [_reason(word, known, any(one.startswith(word) for one in called)) for word in words]
        return [len(_LEVELS) if reason is None else _LEVELS.index(reason) for reason in reasons]

    found = levels(query.words) + [min(max(levels(words)) for words in texts) for texts in query.alternatives]
    if len(_LEVELS) in found:
        return None
    return SearchHit(practice.resource_id, _LEVELS[max(found)] if found else None, distance, state)


def _has_key(field: SearchField, practice: Practice, keys: frozenset[str]) -> bool:
    return any(key in field.keys([code]) for key in keys for code in field.codes(practice))


def _reason(word: str, known: tuple[str, ...], means_specialty: bool) -> Reason | None:
    if word in known:
        return Reason.EXACT
    return Reason.PREFIX if means_specialty or any(one.startswith(word) for one in known) else None


def distance_m(one: Position, other: Position) -> float:
    """Metres between two points along the earth's surface."""
    north, other_north = math.radians(one.latitude), math.radians(other.latitude)
    east = math.radians(other.longitude - one.longitude)
    half = math.sin((other_north - north) / 2) ** 2
    chord = half + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, chord)))
