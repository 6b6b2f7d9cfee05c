"""What a search asks for, and what it answers."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import orjson

from directory_service.rules.opening_hours import OpenState
from directory_service.rules.profile import Position
from directory_service.search.fields import Condition

MAX_DISTANCE_M = 2**26 - 1
"""Farther than any two points are; stands for a practice whose place is unknown."""


class Reason(StrEnum):
    """Why a practice was found, best first; of several words the worst counts."""

    EXACT = "exact"
    PREFIX = "prefix"
    TYPO = "typo"
    INFIX = "infix"


@dataclass(slots=True)  # frozen, it would take four times as long to make; nobody changes one
class SearchQuery:
    """What must fit, all of it; of a group any member. Nothing that does not fit is ever in an answer.

    Attributes:
        words: folded words of free text; each fits a word of the name, the city, the postcode or a specialty.
        alternatives: groups of texts, each of which is folded words like ``words``.
        name_words: folded words that fit a word of the name.
        cities: groups of folded beginnings of the city's name.
        postcodes: groups of beginnings of the postcode.
        specialties: groups of codes.
        conditions: what other fields must have.
        origin: from where distances count; ties are then ordered by distance.
        within_m: the greatest distance from ``origin`` in metres; a practice without a place is outside.
        open_at: the moment for which opening hours are looked at, with a zone.
        open_states: which states at ``open_at`` fit.
        for_insured: whether practices that hide from insured people are left out.
        person: whether only persons' entries fit (True) or only organisations' (False); None if both do.
        only: logical ids of the only practices that can fit; None if any can.
    """

    words: tuple[str, ...] = ()
    alternatives: tuple[tuple[tuple[str, ...], ...], ...] = ()
    name_words: tuple[str, ...] = ()
    cities: tuple[tuple[str, ...], ...] = ()
    postcodes: tuple[tuple[str, ...], ...] = ()
    specialties: tuple[frozenset[str], ...] = ()
    conditions: tuple[Condition, ...] = ()
    origin: Position | None = None
    within_m: float | None = None
    open_at: datetime | None = None
    open_states: frozenset[OpenState] = frozenset({OpenState.OPEN})
    for_insured: bool = True
    person: bool | None = None
    only: frozenset[str] | None = None

    @property
    def has_words(self) -> bool:
        """Whether words are looked for, so that practices fit better or worse."""
        return bool(self.words or self.alternatives or self.name_words)

    def __post_init__(self) -> None:
        if self.within_m is not None and self.origin is None:
            raise ValueError("a distance needs a point from which it counts")


@dataclass(frozen=True, slots=True)
class SearchPosition:
    """The last practice of a page; the next page begins after it, whatever changed in between.

    Attributes:
        level: how well it fitted (``search.index.fit``).
        distance_m: its distance; 0 without a point of origin.
        name: its name, folded.
        resource_id: its logical id.
    """

    level: int
    distance_m: int
    name: str
    resource_id: str

    def token(self) -> str:
        """The position as a text for links."""
        parts = [self.level, self.distance_m, self.name, self.resource_id]
        return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> SearchPosition:
        """Reads what ``token`` wrote.

        Raises:
            ValueError: if it is not one of ours.
        """
        try:
            level, distance, name, resource_id = orjson.loads(
                base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            )
        except (binascii.Error, ValueError, TypeError):
            raise ValueError("not a position") from None
        numbers = type(level) is int and type(distance) is int
        texts = isinstance(name, str) and isinstance(resource_id, str) and f"{name}{resource_id}".isprintable()
        if not (numbers and texts and 0 <= level < 8 and 0 <= distance <= MAX_DISTANCE_M):
            raise ValueError("not a position")
        return cls(level, distance, name, resource_id)


class SearchHit(NamedTuple):
    """One practice that fits.

    Attributes:
        resource_id: its logical id.
        reason: why it stands where it stands; None if no words were asked for.
        distance_m: how far it is from the origin; None without one, or if the practice's place is unknown.
        open_state: what is known about the moment that was asked for; None if none was.
    """

    resource_id: str
    reason: Reason | None
    distance_m: int | None
    open_state: OpenState | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of an answer.

    Attributes:
        total: how many practices fit, on all pages.
        hits: those of this page, in their order.
        next_position: where the next page begins; None on the last.
        unknown_hours: how many more would fit if they had said their opening hours.
    """

    total: int
    hits: tuple[SearchHit, ...]
    next_position: SearchPosition | None
    unknown_hours: int = 0
