"""The search form of patients: what they may choose, and the search that it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from directory_service.adapters.pages.place_finder import PlaceFinder, PlaceUnclear
from directory_service.rules.opening_hours import OpenState
from directory_service.rules.profile import Feature, Grade, Position
from directory_service.search.fields import GRADED_FEATURES, SPOKEN_LANGUAGES, Condition, graded
from directory_service.search.index.fit import TooManyWords, search_words
from directory_service.search.index.query import SearchPosition, SearchQuery

WITHIN_KM = ("", "2", "5", "10", "25", "50", "100")
"""Distances to choose from; empty means the very place."""
OPENING = ("", "open", "open-or-unknown")
GRADES = ("", "partly", "full")
_DEFAULT_WITHIN = "10"
_LONGEST = 200
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,10})?")
_GRADES: dict[str, tuple[Grade, ...]] = {"partly": (Grade.FULL, Grade.PARTLY), "full": (Grade.FULL,)}
_STATES = {
    "open": frozenset({OpenState.OPEN}),
    "open-or-unknown": frozenset({OpenState.OPEN, OpenState.UNKNOWN}),
}
_NAMES = ("what", "place", "within", "specialty", "spoken", "opening", "latitude", "longitude")


class FaultyForm(Exception):  # noqa: N818 - reads as what it is
    """A field cannot be searched with.

    Attributes:
        field: its name.
        text: the key of what is said about it.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(field)
        self.field = field
        self.text = text


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What was entered; values that the page does not offer count as not chosen.

    Attributes:
        what: a practice's name, a specialty, or what patients call it.
        place: a postcode, a city, or what the page calls the patient's own place.
        within: the greatest distance in kilometres; empty for the very place.
        specialty: a code.
        spoken: a language as a BCP 47 tag.
        features: what is needed of each feature: ``partly`` or ``full``.
        opening: one of ``OPENING``.
        here: the patient's own place, if her browser told it.
        after: the end of the page before.
    """

    what: str = ""
    place: str = ""
    within: str = _DEFAULT_WITHIN
    specialty: str = ""
    spoken: str = ""
    features: tuple[tuple[Feature, str], ...] = ()
    opening: str = ""
    here: Position | None = None
    after: SearchPosition | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said that could be searched for."""
        return not (self.what or self.place or self.specialty)

    @property
    def has_filters(self) -> bool:
        """Whether one of the further filters is set."""
        return bool(self.spoken or self.features or self.opening)

    def fields(self) -> list[tuple[str, str]]:
        """The form as its fields, without the page, to be sent again."""
        sent = [(name, getattr(self, name)) for name in _NAMES[:6]]
        sent += [(f"feature-{feature.value}", grade) for feature, grade in self.features]
        if self.here is not None:
            sent += [("latitude", f"{self.here.latitude:.3f}"), ("longitude", f"{self.here.longitude:.3f}")]
        return [(name, value) for name, value in sent if value or name == "within"]


def read_search(form: Mapping[str, str], own_places: frozenset[str]) -> SearchForm:
    """Reads what a browser sent.

    Args:
        form: its fields.
        own_places: what the page calls the patient's own place, in both languages.
    """

    def chosen(name: str, allowed: tuple[str, ...], otherwise: str = "") -> str:
        return value if (value := form.get(name, otherwise)) in allowed else otherwise

    what, place = (" ".join(form.get(name, "").split())[:_LONGEST] for name in ("what", "place"))
    here = _position(form) if place in own_places else None
    found = SearchForm(
        what=what,
        place="" if place in own_places and here is None else place,
        within=chosen("within", WITHIN_KM, _DEFAULT_WITHIN),
        specialty=form.get("specialty", "")[:4],
        spoken=form.get("spoken", "")[:35].lower(),
        features=tuple(
            (feature, grade) for feature in Feature if (grade := chosen(f"feature-{feature.value}", GRADES))
        ),
        opening=chosen("opening", OPENING),
        here=here,
    )
    try:
        return replace(found, after=SearchPosition.from_token(form["after"])) if form.get("after") else found
    except ValueError:
        return found


def _position(form: Mapping[str, str]) -> Position | None:
    latitude, longitude = form.get("latitude", ""), form.get("longitude", "")
    if not (_DEGREES.fullmatch(latitude) and _DEGREES.fullmatch(longitude)):
        return None
    here = Position(float(latitude), float(longitude))
    return here if abs(here.latitude) <= 90 and abs(here.longitude) <= 180 else None


@dataclass(frozen=True, slots=True)
class Understood:
    """The search that a form means, and the city that its place was taken for (empty if it was taken as it stands)."""

    query: SearchQuery
    read_as: str = ""


def _conditions(form: SearchForm) -> Iterator[Condition]:
    if form.spoken:
        yield SPOKEN_LANGUAGES.has_any([form.spoken])
    for feature, grade in form.features:
        yield GRADED_FEATURES.has_any([graded(feature, one) for one in _GRADES[grade]])


def understood(form: SearchForm, places: PlaceFinder, now: datetime) -> Understood:
    """The search that a form means.

    Raises:
        FaultyForm: for the first field that cannot be searched with.
    """
    if form.is_empty:
        raise FaultyForm("what", "search-page-empty")
    try:
        words = search_words([form.what])
    except TooManyWords:
        raise FaultyForm("what", "search-page-too-many-words") from None
    if form.what and not words:
        raise FaultyForm("what", "search-page-no-word")
    query = SearchQuery(
        words=words,
        specialties=(frozenset({form.specialty}),) if form.specialty else (),
        conditions=tuple(_conditions(form)),
        open_at=now if form.opening else None,
        open_states=_STATES.get(form.opening, frozenset({OpenState.OPEN})),
    )
    within_m = float(form.within) * 1000 if form.within else None
    if form.here is not None:
        return Understood(replace(query, origin=form.here, within_m=within_m))
    if not form.place:
        return Understood(query)
    try:
        place = places.find(form.place, needs_origin=within_m is not None)
    except PlaceUnclear as unclear:
        raise FaultyForm("place", unclear.text) from None
    if within_m is not None:
        return Understood(replace(query, origin=place.origin, within_m=within_m), place.read_as)
    there = replace(
        query,
        origin=place.origin,
        cities=((place.city,),) if place.city else (),
        postcodes=((place.postcode,),) if place.postcode else (),
    )
    return Understood(there, place.read_as)
